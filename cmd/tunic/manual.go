package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tunic/gateway/config"
)

// manualCommand prints the pages for man(1), which `make build` writes: what
// they say is what the verbs' help says.
func manualCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "manual 8|5",
		Short:  "Print the manual page of the command (8) or of its configuration (5)",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		Example: `  tunic manual 8 >tunic.8
  tunic manual 5 >tunic.toml.5`,
		RunE: func(c *cobra.Command, args []string) error {
			switch args[0] {
			case "8":
				a.print(commandPage(c.Root()))
			case "5":
				a.print(configPage(config.Example()))
			default:
				return usageError("there is: 8 for the command, 5 for the configuration", "no manual page in section %q", args[0])
			}
			return nil
		},
	}
}

// commandPage is tunic(8), in the language of man(7).
func commandPage(root *cobra.Command) string {
	var b strings.Builder
	short := strings.ToLower(root.Short[:1]) + root.Short[1:]
	fmt.Fprintf(&b, ".TH TUNIC 8 \"\" \"tunic %s\"\n.SH NAME\ntunic \\- %s\n", roff(version), roff(short))
	b.WriteString(".SH SYNOPSIS\n.B tunic\n.I verb\n[\\fIflags\\fR] [\\fIwords\\fR]\n.SH DESCRIPTION\n")
	paragraphs(&b, root.Long)
	for _, g := range root.Groups() {
		fmt.Fprintf(&b, ".SH %s\n", roff(strings.ToUpper(strings.TrimSuffix(g.Title, ":"))))
		for _, c := range root.Commands() {
			if c.GroupID == g.ID && c.Name() != "help" {
				verbSections(&b, c)
			}
		}
	}
	b.WriteString(".SH FLAGS OF ALL VERBS\n")
	flagList(&b, root.PersistentFlags())
	_, statuses, _ := strings.Cut(exitWords, "\n")
	fmt.Fprintf(&b, ".SH EXIT STATUS\n.nf\n%s\n.fi\n", roff(statuses))
	b.WriteString(`.SH FILES
.TP
.I /etc/tunic
The configuration: see
.BR tunic.toml (5).
.TP
.I /var/lib/tunic
The keys of the onions, accounts, mail and chat. Without a backup (\fBtunic backup\fR) they are there alone.
.SH SEE ALSO
.BR tunic.toml (5),
.BR tor (1),
.BR iptables (8)
`)
	return b.String()
}

// verbSections writes a section for a verb that people use, and for each below it
// that is not a verb by itself too (the shells of completion are in its own words).
func verbSections(b *strings.Builder, c *cobra.Command) {
	if c.Hidden {
		return
	}
	if c.Runnable() {
		verbSection(b, c)
	}
	if c.Name() == "onion" || c.Name() == "friend" || c.Name() == "completion" {
		return
	}
	for _, child := range c.Commands() {
		verbSections(b, child)
	}
}

func verbSection(b *strings.Builder, c *cobra.Command) {
	fmt.Fprintf(b, ".SS %s\n", roff(strings.TrimSuffix(strings.TrimPrefix(c.UseLine(), "tunic "), " [flags]")))
	paragraphs(b, c.Short+".")
	if c.Long != "" {
		b.WriteString(".PP\n")
		paragraphs(b, c.Long)
	}
	flagList(b, c.LocalNonPersistentFlags())
	fmt.Fprintf(b, ".PP\n.nf\n.RS\n%s\n.RE\n.fi\n", roff(strings.TrimRight(c.Example, "\n")))
}

// flagList writes the flags of a verb, sorted by name.
func flagList(b *strings.Builder, flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		fmt.Fprintf(b, ".TP\n.B \\-\\-%s\n%s\n", roff(strings.TrimSpace(f.Name+" "+value)), roff(usage))
	})
}

// paragraphs writes text as people have wrapped it for the help; lines that are
// indented stay lines.
func paragraphs(b *strings.Builder, text string) {
	for i, part := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		if strings.Contains("\n"+part, "\n ") {
			fmt.Fprintf(b, ".nf\n%s\n.fi\n", roff(part))
		} else {
			fmt.Fprintf(b, "%s\n", roff(part))
		}
	}
}

// configPage is tunic.toml(5): the example, which explains each key.
func configPage(example string) string {
	return fmt.Sprintf(`.TH TUNIC.TOML 5 "" "tunic %s"
.SH NAME
tunic.toml \- the configuration of the onion gateway tunic
.SH DESCRIPTION
.I /etc/tunic/tunic.toml
is read when
.BR tunic (8)
starts, and by \fBtunic reload\fR. Devices, onions, endpoints, groups and profiles have a file each, in the directories beside it.
.SH EXAMPLE
.nf
%s
.fi
.SH SEE ALSO
.BR tunic (8)
`, roff(version), roff(strings.TrimSpace(example)))
}

// roff writes text so that no character of it is one of the language's: a
// backslash, a hyphen that would become a dash, and a first one that begins a request.
func roff(text string) string {
	lines := strings.Split(strings.NewReplacer(`\`, `\e`, "-", `\-`, "~", `\(ti`, "^", `\(ha`, "`", `\(ga`).Replace(text), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
