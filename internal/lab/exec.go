package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Result is what a program printed and how it ended.
type Result struct {
	Stdout string
	Stderr string
	Code   int // exit status; -1 if a signal ended it
}

// Argv returns the command line that runs args on the node: for callers that
// replace themselves by it.
func (l *Lab) Argv(node string, args ...string) ([]string, error) {
	n, err := l.plan.Node(node)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return nil, fmt.Errorf("running on %s: no command given", node)
	}
	if n.Machine {
		return l.machineArgv(node, args)
	}
	return inNamespace(n, args), nil
}

// inNamespace is a command line in the namespace of a node; that of a machine
// holds its wires alone.
func inNamespace(n Node, args []string) []string {
	return append([]string{"ip", "netns", "exec", n.Namespace}, args...)
}

// Environ returns the environment for programs on the node: this process's
// own, with the directory of tunic first in PATH, and on gateways TUNIC_ROOT and
// SSL_CERT_FILE.
func (l *Lab) Environ(node string) []string {
	env := make([]string, 0, len(os.Environ())+2)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PATH=") && !strings.HasPrefix(v, "TUNIC_ROOT=") {
			env = append(env, v)
		}
	}
	env = append(env, "PATH="+l.binDir+string(os.PathListSeparator)+os.Getenv("PATH"))
	if n, err := l.plan.Node(node); err == nil && n.Role == Gateway {
		env = append(env, "TUNIC_ROOT="+l.Root(node), "SSL_CERT_FILE="+l.CertificateFile())
	}
	return env
}

// Command prepares a program on the node; the caller connects and runs it.
func (l *Lab) Command(ctx context.Context, node string, args ...string) (*exec.Cmd, error) {
	argv, err := l.Argv(node, args...)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = l.Environ(node)
	cmd.WaitDelay = 2 * time.Second // its children may keep the pipes open
	return cmd, nil
}

// Exec runs a program on the node and waits for it. A program that ends with
// a status other than 0 is no error: see Result.Code.
func (l *Lab) Exec(ctx context.Context, node string, args ...string) (Result, error) {
	cmd, err := l.Command(ctx, node, args...)
	if err != nil {
		return Result{}, err
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	result := Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
	if ctx.Err() != nil {
		return result, fmt.Errorf("running %s on %s: %w", args[0], node, ctx.Err())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return result, fmt.Errorf("running %s on %s: %w", args[0], node, err)
	}
	return result, nil
}

// Start starts a program on the node that goes on after this process has
// ended. name must be new in the lab; the output goes to LogFile(name).
func (l *Lab) Start(node, name string, args ...string) (Process, error) {
	argv, err := l.Argv(node, args...)
	if err != nil {
		return Process{}, err
	}
	return l.start(node, name, argv)
}

// start starts a command line as the lab's process called name.
func (l *Lab) start(node, name string, argv []string) (Process, error) {
	if l.running(name) {
		return Process{}, fmt.Errorf("starting %s: it runs already", name)
	}
	out, err := os.OpenFile(l.LogFile(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return Process{}, fmt.Errorf("starting %s: %w", name, err)
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = l.Environ(node), "/"
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return Process{}, fmt.Errorf("starting %s: %w", name, err)
	}
	p, _ := findProcess(cmd.Process.Pid)
	p.Name, p.Node, p.PID = name, node, cmd.Process.Pid
	go func() { _ = cmd.Wait() }() // so that it does not stay as a zombie while this process lives
	return p, l.change(func(s *state) { s.Processes = append(dropEnded(s.Processes, name), p) })
}

// dropEnded removes the earlier run of a process that is started again.
func dropEnded(processes []Process, name string) []Process {
	var kept []Process
	for _, p := range processes {
		if p.Name != name {
			kept = append(kept, p)
		}
	}
	return kept
}

// Tool returns the path of a program that was built together with tunic-lab.
func (l *Lab) Tool(name string) string { return filepath.Join(l.binDir, name) }

// logTail returns the last lines of a process's output, for error messages.
func (l *Lab) logTail(name string, lines int) string {
	text, err := os.ReadFile(l.LogFile(name))
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
