package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
	"tunic/gateway/link"
	"tunic/gateway/sample"
)

// The processes of the daemon of which there are profiles.
const (
	parentProcess = "parent"
	serveProcess  = "serve"
)

func sampleCommand(a *app) *cobra.Command {
	var out string
	r := api.SampleRequest{}
	c := &cobra.Command{
		Use:   "sample cpu|heap|goroutines",
		Short: "Find out what the daemon's time and memory go to",
		Long: `Sample takes a profile of one of the daemon's two processes and writes it into a
file for ` + "`go tool pprof`" + `, which needs nothing else:

  cpu         where the processor's time goes
  heap        what is allocated meanwhile, and what of it is in use at the end
  goroutines  where each goroutine is at this moment

Nothing is sampled while nobody asks. A profile has names of the program's functions,
and numbers; no name, address, key or destination of the household is in it.`,
		Example: `  sudo tunic sample cpu
  sudo tunic sample heap --of parent --seconds 60 --out parent.pprof
  go tool pprof -top tunic-serve-cpu.pprof`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Kind = args[0]
			if err := checkSample(r); err != nil {
				return err
			}
			if out == "" {
				out = fmt.Sprintf("tunic-%s-%s.pprof", r.Process, r.Kind)
			}
			return a.sample(cmd.Context(), r, out)
		},
	}
	c.Flags().StringVar(&r.Process, "of", serveProcess, "the process: serve, which speaks with others, or parent, which decides")
	c.Flags().IntVar(&r.Seconds, "seconds", 30, "how long to look, at most 120; goroutines take no time")
	c.Flags().StringVar(&out, "out", "", "the file (default tunic-PROCESS-KIND.pprof in this directory)")
	return c
}

// checkSample refuses what there is no profile of. The daemon asks it too.
func checkSample(r api.SampleRequest) error {
	if r.Process != parentProcess && r.Process != serveProcess {
		return usageError("name serve or parent", "the daemon has no process %q", r.Process)
	}
	if err := sample.Check(sample.Kind(r.Kind), time.Duration(r.Seconds)*time.Second); err != nil {
		return usageError("see `tunic sample --help`", "%v", err)
	}
	return nil
}

// sample puts a profile into a new file, which only the user who asks can read. The file is
// made, and removed after a failure, in the directory that was there at first: somebody may
// put another in its place meanwhile.
func (a *app) sample(ctx context.Context, r api.SampleRequest, path string) error {
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return wrongInput(fmt.Errorf("making the file: %w", err), "name one with --out, in a directory that is there")
	}
	defer dir.Close()
	name := filepath.Base(path)
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return usageError("name another with --out", "there is a file %s already", path)
	}
	if err != nil {
		return wrongInput(fmt.Errorf("making the file: %w", err), "name one with --out, in a directory that is there")
	}
	s, err := a.client().Sample(ctx, r)
	if err == nil {
		_, err = f.Write(s.Profile)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, dir.Remove(name))
	}
	a.printf("%s: look at it with go tool pprof\n", path)
	return nil
}

// sampler is api.Sampler: the parent, which it is in, and serve take their profiles themselves.
type sampler struct {
	serve interface {
		Sample(ctx context.Context, s link.Sampling) ([]byte, error)
	}
}

// Sample implements api.Sampler.
func (s sampler) Sample(ctx context.Context, r api.SampleRequest) (answer api.Sample, err error) {
	if err := checkSample(r); err != nil {
		return answer, &api.Failure{Problem: api.Problem{Error: err.Error(), Usage: true}}
	}
	length := time.Duration(r.Seconds) * time.Second
	if r.Process == parentProcess {
		answer.Profile, err = sample.Take(ctx, sample.Kind(r.Kind), length)
		return answer, err
	}
	answer.Profile, err = s.serve.Sample(ctx, link.Sampling{Kind: r.Kind, For: length})
	if errors.Is(err, link.ErrBusy) {
		err = sample.ErrBusy
	}
	return answer, err
}
