package main

import "github.com/spf13/cobra"

// section is a part of the list of verbs: what people do with them.
type section struct {
	id, title string
	verbs     []func(*app) *cobra.Command
}

// The verbs of an onion and of a friend; each is a verb by itself too.
var (
	onionVerbs = []func(*app) *cobra.Command{publishCommand, unpublishCommand, addressCommand, grantCommand, revokeCommand,
		rotateCommand, importCommand, exportCommand, certificateCommand}
	friendVerbs = []func(*app) *cobra.Command{inviteCommand, acceptCommand, confirmCommand, renameCommand, introduceCommand, forgetCommand,
		anchorCommand}
)

// sections are all verbs, in the order in which the help lists them. Those
// without a section are the daemon's own.
var sections = []section{
	{"daily", "Every day:", []func(*app) *cobra.Command{statusCommand, devicesCommand, deviceCommand, tryCommand, doctorCommand,
		whyCommand,
		newIdentityCommand, bypassCommand,
		portalCommand, lockdownCommand, explainCommand, leaktestCommand, reportCommand}},
	{"publish", "Publish:", append([]func(*app) *cobra.Command{onionsCommand, onionCommand, profilesCommand}, onionVerbs...)},
	{"friends", "Friends:", append([]func(*app) *cobra.Command{friendsCommand, friendCommand, servicesCommand,
		serviceCommand, pipeCommand, chatCommand, sendCommand, inboxCommand}, friendVerbs...)},
	{"talk", "Mail and chat:", []func(*app) *cobra.Command{userCommand, awayCommand, mailCommand, ircCommand, logsCommand, caCommand}},
	{"box", "The box:", []func(*app) *cobra.Command{setupCommand, checkCommand, planCommand, reloadCommand, waitCommand, backupCommand,
		restoreCommand, teardownCommand, upgradeCommand, uciCommand, sampleCommand, runCommand, versionCommand}},
	{"", "", []func(*app) *cobra.Command{serveCommand, clockCommand, confineCommand, cellCommand, manualCommand}},
}

// otherWords are words that people try that are no verbs, and what does what they mean.
var otherWords = map[string]string{
	"start": "systemctl start tunic", "stop": "systemctl stop tunic", "restart": "systemctl restart tunic",
	"install": "tunic setup", "uninstall": "apt remove tunic", "update": "tunic upgrade",
	"remove": "tunic unpublish", "delete": "tunic unpublish", "test": "tunic leaktest",
	"talk": "tunic chat", "befriend": "tunic invite", "pair": "tunic invite", "phone": "tunic away",
}

// addVerbs gives the command line its verbs, each in its section.
func addVerbs(root *cobra.Command, a *app) {
	cobra.EnableCommandSorting = false
	for _, s := range sections {
		if s.id != "" {
			root.AddGroup(&cobra.Group{ID: s.id, Title: s.title})
		}
		for _, verb := range s.verbs {
			c := verb(a)
			c.GroupID = s.id
			c.Args = usageArgs(c.Args)
			root.AddCommand(c)
		}
	}
	root.AddCommand(exitCommand(a))
	root.SetHelpCommandGroupID("box")
	root.SetCompletionCommandGroupID("box")
}

func onionCommand(a *app) *cobra.Command {
	return group(a, &cobra.Command{
		Use:   "onion",
		Short: "The verbs of this section by one name: tunic onion publish is tunic publish",
		Example: `  tunic onion publish photos 80=192.168.1.20:8080
  tunic onion address photos`,
	}, onionVerbs...)
}

func friendCommand(a *app) *cobra.Command {
	return group(a, &cobra.Command{
		Use:   "friend",
		Short: "The verbs of this section by one name: tunic friend invite is tunic invite",
		Example: `  tunic friend invite alice
  tunic friend forget alice`,
	}, friendVerbs...)
}

// exitWords is the one list of exit statuses (app.go has their names).
const exitWords = `Exit statuses:
  0   done
  1   it could not be done: the daemon does not run, a disk is full, somebody does not answer
  2   wrong words, or a mistake in a file; nothing was changed
  3   it is not so (yet): ` + "`wait`" + ` and ` + "`setup`" + ` in time, ` + "`onions --check`" + ` where something is not reachable,
      ` + "`try`" + ` where a site does not open, ` + "`doctor`" + ` where something fails
  78  ` + "`run`" + ` alone: the configuration or the packet filter has to be put in order by hand`

// exitCommand is no verb but a page of the help (cobra shows it as a topic).
func exitCommand(*app) *cobra.Command {
	return &cobra.Command{Use: "exit-statuses", Short: "What the exit statuses of the verbs mean", Long: exitWords,
		Example: "  tunic check || echo \"exit status $?\""}
}
