package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// endGrace is how long processes have between SIGTERM and SIGKILL.
const endGrace = 5 * time.Second

// Down takes the lab called id down, whatever state it is in: up, half made,
// or left by a process that was killed. It returns ErrNotFound if there is no
// trace of it. With keepLogs, logs and captures stay in its directory.
func Down(ctx context.Context, base, id string, keepLogs bool) error {
	l, err := Load(base, id)
	if err == nil {
		return l.Down(ctx, keepLogs)
	}
	dir, derr := labDir(base, id)
	if derr != nil {
		return derr
	}
	left := &Lab{plan: Plan{ID: id}, dir: dir}
	namespaces, nerr := left.namespaces()
	if nerr != nil {
		return nerr
	}
	if _, serr := os.Stat(dir); serr != nil && len(namespaces) == 0 && errors.Is(err, ErrNotFound) {
		return err
	}
	return left.Down(ctx, keepLogs)
}

// Down ends all processes of the lab and removes its namespaces and files.
// It goes on after an error, and returns all of them joined.
func (l *Lab) Down(ctx context.Context, keepLogs bool) error {
	errs := []error{l.endAll(ctx)}
	namespaces, err := l.namespaces()
	errs = append(errs, err)
	for _, ns := range namespaces {
		if err := run(ctx, "", "ip", "netns", "delete", ns); err != nil {
			errs = append(errs, fmt.Errorf("removing namespace %s: %w", ns, err))
		}
	}
	errs = append(errs, l.removeResolvConfs(), l.unmountAll())
	if err := errors.Join(errs...); err != nil {
		return err // the state stays, so that Down can be called again
	}
	return l.removeFiles(keepLogs)
}

// endAll ends whoever is still building the lab, then the recorded processes
// and every other process inside the lab's namespaces.
func (l *Lab) endAll(ctx context.Context) error {
	boot, err := bootID()
	if err != nil {
		return err
	}
	l.mu.Lock()
	st := l.state
	l.mu.Unlock()
	var recorded []Process
	if st.BootID == boot {
		if st.Builder.PID != os.Getpid() {
			if err := end(ctx, []Process{st.Builder}, 0); err != nil {
				return err
			}
		}
		recorded = st.Processes
	}
	inside, err := l.inside(ctx)
	if err := errors.Join(err, end(ctx, append(inside, recorded...), endGrace)); err != nil {
		return err
	}
	// What they started while they were ending.
	inside, err = l.inside(ctx)
	return errors.Join(err, end(ctx, inside, 0))
}

// namespaces returns the lab's namespaces that exist.
func (l *Lab) namespaces() ([]string, error) {
	return withPrefix("/run/netns", namespacePrefix(l.plan.ID))
}

func withPrefix(dir, prefix string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("looking for what a lab left: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// inside returns all processes that run in the lab's namespaces.
func (l *Lab) inside(ctx context.Context) ([]Process, error) {
	namespaces, err := l.namespaces()
	if err != nil {
		return nil, err
	}
	var found []Process
	for _, ns := range namespaces {
		out, err := exec.CommandContext(ctx, "ip", "netns", "pids", ns).Output()
		if err != nil {
			return nil, fmt.Errorf("listing the processes in %s: %w", ns, err)
		}
		for _, field := range strings.Fields(string(out)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return nil, fmt.Errorf("listing the processes in %s: %w", ns, err)
			}
			if p, ok := findProcess(pid); ok && pid != os.Getpid() {
				found = append(found, p)
			}
		}
	}
	return found, nil
}

func (l *Lab) removeResolvConfs() error {
	names, err := withPrefix(etcNetns, namespacePrefix(l.plan.ID))
	errs := []error{err}
	for _, name := range names {
		errs = append(errs, os.RemoveAll(filepath.Join(etcNetns, name)))
	}
	_ = os.Remove(etcNetns) // goes only if it is empty
	return errors.Join(errs...)
}

func (l *Lab) removeFiles(keepLogs bool) error {
	entries, err := os.ReadDir(l.dir)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("removing the lab's files: %w", err)
	}
	errs := []error{}
	for _, e := range entries {
		if keepLogs && (e.Name() == "logs" || e.Name() == "captures") {
			continue
		}
		errs = append(errs, os.RemoveAll(filepath.Join(l.dir, e.Name())))
	}
	if !keepLogs {
		errs = append(errs, os.RemoveAll(l.dir))
		_ = os.Remove(filepath.Dir(l.dir)) // goes only if no other lab is there
	}
	return errors.Join(errs...)
}
