package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"tunic/gateway/account"
	"tunic/gateway/backup"
	"tunic/gateway/box"
	"tunic/gateway/config"
)

func backupCommand(a *app) *cobra.Command {
	var recipients []string
	var force, asJSON bool
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write the configuration, keys, accounts and mail into one encrypted file",
		Long: `Backup stores the configuration and the state of this box: keys, addresses,
friends, accounts, mail. It works with and without the daemon, and stores the
state of one moment. The file is encrypted with age, with a passphrase, which is
asked for or read from standard input when that is no terminal, or for
recipients, whose private key need not be on this box. It is read back before it
gets its name.

Without the passphrase, or the private key, nobody can read it, nor can you.`,
		Example: `  tunic backup /media/stick/house.age
  tunic backup house.age --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			plan := backup.Plan{Trees: box.Trees(a.paths()), Force: force, Progress: a.progress()}
			var err error
			if plan.Header, err = box.Header(a.paths(), version); err != nil {
				return err
			}
			if _, err := os.Lstat(args[0]); err == nil && !force { // before anybody types a passphrase
				return alreadyThere(args[0])
			}
			if err = mayRead(plan.Trees); err != nil {
				return err
			}
			if plan.Lock, err = a.lock(cmd.Context(), recipients); err != nil {
				return err
			}
			return a.backup(args[0], plan, asJSON)
		},
	}
	c.Flags().StringArrayVar(&recipients, "recipient", nil, "public key of age that may open it; can be repeated")
	c.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// mayRead says before anybody types a passphrase that the box is shut to them.
func mayRead(trees []backup.Tree) error {
	for _, t := range trees {
		if _, err := os.ReadDir(t.Dir); errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

func alreadyThere(path string) error {
	return usageError("choose another name, or add --force to replace it", "%s is there already", path)
}

func (a *app) backup(path string, plan backup.Plan, asJSON bool) error {
	made, err := backup.Create(path, plan)
	if plan.Progress != nil {
		fmt.Fprint(raw(a.err), "\r\033[K") // take its line away (ECMA-48, EL)
	}
	if errors.Is(err, fs.ErrExist) {
		return alreadyThere(path)
	}
	if err != nil {
		return err
	}
	for _, s := range made.Skipped {
		fmt.Fprintf(a.err, "left out: %s\n", s)
	}
	if asJSON {
		return a.json(map[string]any{"file": path, "files": made.Files, "bytes": made.Bytes, "size": made.Size,
			"onions": plan.Header.Onions, "left_out": append([]string{}, made.Skipped...)})
	}
	a.printf("%s: %d files, %d onions, %s; written and read back\n", path, made.Files, len(plan.Header.Onions), size(made.Size))
	return nil
}

// lock is what a backup is encrypted with.
func (a *app) lock(ctx context.Context, recipients []string) (backup.Lock, error) {
	if len(recipients) > 0 {
		lock, err := backup.Recipients(recipients)
		if err != nil {
			return lock, usageError("a public key of age begins with age1; `age-keygen` makes one", "%v", err)
		}
		return lock, nil
	}
	text, err := a.passphrase(ctx, true)
	if err == nil {
		err = checkPassphrase(text)
	}
	if err != nil {
		return backup.Lock{}, err
	}
	lock, _, err := backup.Passphrase(text)
	return lock, err
}

// checkPassphrase refuses what can be guessed: whoever has the file can try as
// often as they like, and it holds every key of the house.
func checkPassphrase(text string) error {
	if utf8.RuneCountInString(text) < account.MinPassword {
		return usageError("at a terminal, an empty line has a good one made", "the passphrase is too short: it needs %d characters",
			account.MinPassword)
	}
	return nil
}

// passphrase asks on a terminal, twice for a new one, and reads one line from
// what is none. At a terminal an empty new one has one made, and shown.
func (a *app) passphrase(ctx context.Context, isNew bool) (string, error) {
	in := bufio.NewReader(a.in)
	f, ok := a.in.(*os.File)
	if !ok || !isTerminal(f) {
		text, err := readLine(ctx, in)
		if text == "" && (err == nil || errors.Is(err, io.EOF)) {
			err = usageError("write it as one line to standard input, or run the command on a terminal", "there is no passphrase")
		}
		return text, err
	}
	show, err := hideInput(f)
	if err != nil {
		return "", err
	}
	defer show()
	ask := func(question string) (string, error) {
		fmt.Fprint(a.err, question)
		defer fmt.Fprintln(a.err) // the terminal has not shown the end of the line
		return readLine(ctx, in)
	}
	if !isNew {
		return ask("Passphrase of the backup: ")
	}
	for {
		first, err := ask("Passphrase for the backup (leave empty to have one generated): ")
		if err != nil {
			return "", err
		}
		if first == "" {
			first = account.Generate()
			fmt.Fprintf(a.err, "The passphrase is %s: write it down, nobody can read the backup without it.\n", first)
			return first, nil
		}
		if err := checkPassphrase(first); err != nil {
			fmt.Fprintln(a.err, err)
			continue
		}
		again, err := ask("The same again: ")
		if err != nil || again == first {
			return first, err
		}
		fmt.Fprintln(a.err, "they are not the same")
	}
}

// progress shows on a terminal how far a backup is, a few times a second.
func (a *app) progress() func(files int, bytes int64) {
	f, ok := raw(a.err).(*os.File)
	if !ok || !isTerminal(f) {
		return nil
	}
	last := time.Now()
	return func(files int, bytes int64) {
		if time.Since(last) < 300*time.Millisecond {
			return
		}
		last = time.Now()
		fmt.Fprintf(raw(a.err), "\r%d files, %s ", files, size(bytes))
	}
}

// size is a number of bytes for people.
func size(bytes int64) string {
	if bytes < 10<<20 {
		return fmt.Sprintf("%d kB", (bytes+1023)>>10)
	}
	return fmt.Sprintf("%d MB", bytes>>20)
}

func restoreCommand(a *app) *cobra.Command {
	var identity string
	var force, check, asJSON bool
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make this box what a backup says, with the same addresses",
		Long: `Restore puts the configuration and the state of a backup in the place of those of
this box. The daemon must not run. The file is unpacked beside and looked at as a
whole first: if anything is wrong with it, nothing has changed. Configuration
that was there before is kept under another name; a box that has onions, friends or
mail of its own also needs --force, and keeps them under another name too.

The box that the backup comes from must stay off: two boxes with the
same addresses take each other's visitors away.`,
		Example: `  tunic restore /media/stick/house.age
  tunic restore house.age --identity key.txt
  tunic restore house.age --check`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			run := a.restore
			if check {
				run = a.checkBackup
			}
			h, moved, err := run(cmd.Context(), args[0], identity, force)
			if err != nil {
				return restoreError(err)
			}
			if asJSON {
				return a.json(map[string]any{"version": h.Version, "created": h.Created, "onions": h.Onions, "kept": moved})
			}
			a.printRestored(h, moved, check)
			return nil
		},
	}
	c.Flags().StringVar(&identity, "identity", "", "file with the private key of age that opens it, instead of a passphrase")
	c.Flags().BoolVar(&force, "force", false, "also on a box that has onions, friends or mail")
	c.Flags().BoolVar(&check, "check", false, "only say whether the backup is whole, and what is in it")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) checkBackup(ctx context.Context, path, identity string, _ bool) (backup.Header, map[string]string, error) {
	key, err := a.key(ctx, path, identity)
	if err != nil {
		return backup.Header{}, nil, err
	}
	h, err := backup.Check(path, key, box.Trees(a.paths()))
	return h, nil, err
}

func (a *app) restore(ctx context.Context, path, identity string, force bool) (h backup.Header, moved map[string]string, err error) {
	if _, err := os.Stat(path); err != nil {
		return h, nil, noBackup(path, err)
	}
	lock, err := box.TakeLock(a.paths())
	if err != nil {
		return h, nil, err
	}
	defer lock.Release()
	if err := box.CheckState(a.paths().State); err != nil {
		return h, nil, err
	}
	has, err := box.Occupied(a.paths())
	if err != nil {
		return h, nil, err
	}
	if has != "" && !force {
		return h, nil, usageError("add --force to replace all of it by the backup; what is here now is kept",
			"this box is not empty: it has %s", has)
	}
	key, err := a.key(ctx, path, identity)
	if err != nil {
		return h, nil, err
	}
	done, err := backup.Restore(path, key, box.Trees(a.paths()), box.CheckRestored)
	return done.Header, done.Moved, err
}

func noBackup(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no file %s", path)
	}
	return wrongInput(err, "name the file that `tunic backup` wrote")
}

// key is what opens a backup.
func (a *app) key(ctx context.Context, path, identity string) (backup.Key, error) {
	if _, err := os.Stat(path); err != nil { // before anybody types a passphrase
		return backup.Key{}, noBackup(path, err)
	}
	if identity != "" {
		f, err := os.Open(identity)
		if err != nil {
			return backup.Key{}, wrongInput(err, "name the file that `age-keygen -o` wrote")
		}
		defer f.Close()
		key, err := backup.Identities(f)
		if err != nil {
			err = usageError("name the file that `age-keygen -o` wrote", "reading %s: %v", identity, err)
		}
		return key, err
	}
	text, err := a.passphrase(ctx, false)
	if err != nil {
		return backup.Key{}, err
	}
	_, key, err := backup.Passphrase(text)
	if err != nil {
		err = usageError("a backup for recipients is opened with --identity", "there is no passphrase")
	}
	return key, err
}

// restoreError says what to do about an error of reading a backup.
func restoreError(err error) error {
	for _, e := range []struct {
		is   error
		hint string
	}{
		{backup.ErrWrongKey, "nothing was changed; type the passphrase again, or name the private key with --identity"},
		{backup.ErrDamaged, "nothing was changed; use another copy of the backup"},
		{backup.ErrNewer, "nothing was changed; install a newer tunic first"},
		{backup.ErrNoBackup, "nothing was changed; name the file that `tunic backup` wrote"},
		{backup.ErrTooLarge, "nothing was changed; make room on the disk"},
		{backup.ErrNoSuchIDs, "nothing was changed; make it first, as tunic's installation does: useradd --system --no-create-home " +
			"--shell /usr/sbin/nologin NAME"},
	} {
		if errors.Is(err, e.is) {
			return &failure{exitFailed, err, e.hint}
		}
	}
	return err
}

// printRestored says what is there now, and how to go back.
func (a *app) printRestored(h backup.Header, moved map[string]string, checked bool) {
	words := "restored"
	if checked {
		words = "the backup is whole"
	}
	a.printf("%s: from %s, tunic %s, %d onions\n", words, moment(h.Created), h.Version, len(h.Onions))
	for _, o := range h.Onions {
		a.printf("  %-10s %s\n", o.Name, o.Address)
	}
	if checked {
		return
	}
	var undo []string
	for _, t := range box.Trees(a.paths()) {
		if aside, ok := moved[t.Dir]; ok {
			fmt.Fprintf(a.err, "what was in %s is in %s\n", t.Dir, aside)
			undo = append(undo, fmt.Sprintf("mv %s %s.restored && mv %s %s", t.Dir, t.Dir, aside, t.Dir))
		}
	}
	if len(undo) > 0 {
		fmt.Fprintf(a.err, "to go back: %s\n", strings.Join(undo, " && "))
	}
	if _, err := config.Load(a.paths()); err != nil {
		fmt.Fprintf(a.err, "the configuration has mistakes, as it had when the backup was made: see `tunic check`\n")
	}
	fmt.Fprintf(a.err, "the box that the backup comes from must stay off; start this one: systemctl start tunic\n")
}
