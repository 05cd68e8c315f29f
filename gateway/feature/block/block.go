// Package block is what the household's lists of names block, as a feature: where
// they are, for which devices, and what is wrong with one.
package block

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/durable"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
)

// Feature keeps nothing between passes.
type Feature struct{}

var (
	_ feature.Feature  = Feature{}
	_ feature.Reporter = Feature{}
)

// Name implements feature.Feature.
func (Feature) Name() string { return "block" }

// Look implements feature.Feature: whether files have changed, and a place for copies.
func (Feature) Look(_ context.Context, s *feature.Scene, r *feature.Report) feature.Wish {
	sources := s.Config.DNS.Block
	if len(sources) == 0 {
		return feature.Wish{}
	}
	dir := s.Paths.Blocks()
	if !s.Foreseen {
		if err := makeDir(dir, s.Serve); err != nil {
			r.Find(health.BlockList, "", "copies of block lists cannot be kept: %v", err)
		}
	}
	b := &link.Block{Dir: dir}
	for _, source := range sources {
		b.Lists = append(b.Lists, link.BlockList{Source: source, Version: version(source)})
	}
	for _, d := range s.Config.Devices {
		if d.Unblocked {
			b.Except = append(b.Except, d.MAC)
		}
	}
	return feature.Want(want, b)
}

func want(_ feature.Scene, d *feature.Desired, b *link.Block) { d.Serve.DNS.Block = b }

// makeDir makes the directory in which serve, and nobody else, keeps the copies.
func makeDir(path string, serve feature.IDs) error {
	err := durable.MkdirAll(path, 0o700)
	if err == nil && os.Geteuid() == 0 {
		err = errors.Join(os.Lchown(path, int(serve.UID), int(serve.GID)), os.Chmod(path, 0o700))
	}
	return err
}

// version tells a file that was changed from what it was.
func version(source string) string {
	info, err := os.Stat(source)
	if !strings.HasPrefix(source, "/") || err != nil {
		return ""
	}
	return fmt.Sprintf("%d bytes of %s", info.Size(), info.ModTime().UTC().Format(time.RFC3339Nano))
}

// Report implements feature.Reporter. While the household is closed nothing can be
// fetched, and that is said elsewhere.
func (Feature) Report(_ context.Context, s feature.Scene, status *api.Status) {
	for _, b := range s.Served.Block {
		if b.Error == "" || status.State != api.Open {
			continue
		}
		text := fmt.Sprintf("the block list %s: %s; ", b.Source, b.Error)
		if b.From.IsZero() {
			text += "it blocks nothing"
		} else {
			text += fmt.Sprintf("its copy of %s stays in force", b.From.UTC().Format("2 January, 15:04 UTC"))
		}
		status.Findings = append(status.Findings, health.New(health.BlockList, b.Source, text))
	}
}
