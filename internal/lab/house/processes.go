package house

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"tunic/internal/lab"
)

// PIDs finds the processes on a node that run the program words[0] and have
// all other words among their arguments.
func PIDs(ctx context.Context, l *lab.Lab, node string, words ...string) ([]int, error) {
	n, err := l.Plan().Node(node)
	if err != nil {
		return nil, err
	}
	list, err := Run(ctx, l, lab.SwitchNode, "ip", "netns", "pids", n.Namespace)
	if err != nil {
		return nil, err
	}
	var found []int
	for _, field := range strings.Fields(list) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("reading the processes of %s: %w", node, err)
		}
		line, err := os.ReadFile(filepath.Join("/proc", field, "cmdline"))
		if err == nil && len(line) > 0 && matches(strings.Split(strings.TrimRight(string(line), "\x00"), "\x00"), words) {
			found = append(found, pid)
		}
	}
	return found, nil
}

// matches compares a command line with the name of a program and its words.
func matches(argv, words []string) bool {
	if filepath.Base(argv[0]) != words[0] {
		return false
	}
	for _, word := range words[1:] {
		if !slices.Contains(argv[1:], word) {
			return false
		}
	}
	return true
}

// Signal sends a signal to the processes that PIDs finds, and returns how many
// there were. One that has ended by itself meanwhile is no error.
func Signal(ctx context.Context, l *lab.Lab, node string, s syscall.Signal, words ...string) (int, error) {
	pids, err := PIDs(ctx, l, node, words...)
	for _, pid := range pids {
		if kill := syscall.Kill(pid, s); kill != nil && !errors.Is(kill, syscall.ESRCH) {
			err = errors.Join(err, fmt.Errorf("sending %v to process %d on %s: %w", s, pid, node, kill))
		}
	}
	return len(pids), err
}
