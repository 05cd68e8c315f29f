package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/health"
)

// completer lists the words that can stand at a place of a command line. It
// lists none where the daemon does not answer, or not to this user.
type completer func(context.Context, *app) []string

// completionLimit bounds a question to the daemon while somebody types.
const completionLimit = time.Second

// completed are the words of each verb, by what follows "tunic"; the last one is that
// of all words after it. Verbs that are not here take words that nobody can list.
var completed = map[string][]completer{
	"device": {deviceNames}, "portal": {deviceNames}, "new-identity": {deviceNames}, "why": {deviceNames},
	"explain": {codes}, "profiles": {profileNames}, "logs": {serverNames},
	"onions": {onionNames, onionNames}, "unpublish": {onionNames}, "address": {onionNames}, "rotate": {onionNames},
	"export": {onionNames}, "certificate": {onionNames}, "anchor": {friendNames},
	"publish": {onionNames}, "grant": {onionNames, friendNames}, "revoke": {onionNames, friendNames},
	"confirm": {friendNames}, "forget": {friendNames}, "rename": {friendNames}, "introduce": {friendNames, friendNames},
	"accept": {friendNames}, "mail flush": {friendNames}, "bypass remove": {bypassed},
	"user passwd": {userNames}, "user role": {userNames, fixed("admin", "member", "guest")}, "user remove": {userNames},
	"user show": {userNames}, "pipe": {friendNames, offeredNames}, "service remove": {ownServiceNames},
	"away remove": {phoneNames}, "send": {friendNames}, "chat": {friendNames}, "inbox take": {waitingFiles},
	"inbox remove": {waitingFiles}, "sample": {fixed("cpu", "heap", "goroutines")},
}

// completedFlags are the same of flags, whatever the verb.
var completedFlags = map[string]completer{
	"policy": fixed(string(config.PolicyTor), string(config.PolicyOnion), string(config.PolicyDirect), string(config.PolicyBlock)),
	"device": deviceNames, "friend": friendNames, "as": profileNames,
	"from": deviceNames, "role": fixed("admin", "member", "guest"), "user": userNames, "protocol": fixed("tcp", "udp", "icmp"),
}

// takesFiles are the verbs of whose words one is a file's name.
var takesFiles = map[string]bool{"backup": true, "restore": true, "import": true, "export": true, "completion": true,
	"send": true, "inbox take": true}

// addCompletion has shells complete the words of a verb and of those below it.
func addCompletion(c *cobra.Command, a *app) {
	name := strings.TrimPrefix(c.CommandPath(), "tunic ")
	for _, noun := range []string{"onion ", "friend "} {
		name = strings.TrimPrefix(name, noun)
	}
	if list := completed[name]; list != nil || !takesFiles[name] {
		c.ValidArgsFunction = func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if i := len(args); i < len(list) {
				return list[i].fitting(a, typed)
			}
			if takesFiles[name] {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
	for flag, list := range completedFlags {
		if c.Flags().Lookup(flag) != nil && !(flag == "as" && name == "accept") {
			complete := func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
				return list.fitting(a, typed)
			}
			_ = c.RegisterFlagCompletionFunc(flag, complete) // the flag is there, and nobody else completes it
		}
	}
	for _, below := range c.Commands() {
		addCompletion(below, a)
	}
}

// fitting are the words that begin with what was typed. File names are none.
func (list completer) fitting(a *app, typed string) (fit []cobra.Completion, _ cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completionLimit) // cobra gives the command none yet
	defer cancel()
	for _, w := range list(ctx, a) {
		if strings.HasPrefix(w, typed) && w == oneLine(w) {
			fit = append(fit, w)
		}
	}
	return fit, cobra.ShellCompDirectiveNoFileComp
}

func fixed(list ...string) completer { return func(context.Context, *app) []string { return list } }

func codes(context.Context, *app) (list []string) {
	for _, code := range health.Codes() {
		list = append(list, string(code))
	}
	return list
}

func profileNames(_ context.Context, a *app) (list []string) {
	profiles, _ := config.LoadProfiles(a.paths()) // those without mistakes
	for _, p := range profiles {
		list = append(list, p.Name)
	}
	return list
}

// namesOf asks the daemon for a list of things and takes their names: none if it
// does not answer.
func namesOf[T any](ctx context.Context, ask func(context.Context) ([]T, error), name func(T) string) (list []string) {
	all, err := ask(ctx)
	if err != nil {
		return nil
	}
	for _, x := range all {
		list = append(list, name(x))
	}
	return list
}

func deviceNames(ctx context.Context, a *app) []string {
	return namesOf(ctx, a.client().Devices, func(d api.Device) string {
		if d.Name == "" {
			return d.MAC
		}
		return d.Name
	})
}

func onionNames(ctx context.Context, a *app) []string {
	return namesOf(ctx, func(ctx context.Context) ([]api.Onion, error) {
		s, err := a.client().Status(ctx)
		return s.Onions, err
	}, func(o api.Onion) string { return o.Name })
}

func serverNames(ctx context.Context, a *app) []string {
	return namesOf(ctx, func(ctx context.Context) ([]api.Server, error) {
		s, err := a.client().Status(ctx)
		return s.Servers, err
	}, func(s api.Server) string { return s.Name })
}

func friendNames(ctx context.Context, a *app) []string {
	return namesOf(ctx, a.client().Peers, func(p api.Peer) string { return p.Name })
}

func bypassed(ctx context.Context, a *app) []string {
	return namesOf(ctx, a.client().Bypasses, func(b api.Bypass) string { return b.To })
}

func userNames(ctx context.Context, a *app) []string {
	return namesOf(ctx, a.client().Users, func(u api.User) string { return u.Name })
}
