package feature

import (
	"errors"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/durable"
)

// Load reads the configuration. What is wrong with it is a mistake of who asked for
// something.
func Load(p config.Paths) (*config.Config, error) {
	c, err := config.Load(p)
	if err != nil {
		return nil, Usage(err, "nothing was changed")
	}
	return c, nil
}

// EditAlone makes a change of the configuration while no daemon runs: a file of
// it that does not agree with the others is put back. The paths are those that
// write changes.
func EditAlone(p config.Paths, write func() error, files ...string) error {
	kept, err := durable.Keep(files...)
	if err != nil {
		return Usage(err, "nothing was changed")
	}
	if err = write(); err == nil {
		_, err = Load(p)
	}
	if err == nil {
		kept.Release()
		return nil
	}
	return NotDone(err, kept.PutBack())
}

// NotDone is the error of an edit that was taken back.
func NotDone(err, undone error) error {
	if undone != nil {
		return &api.Failure{Problem: api.Problem{Error: errors.Join(err, undone).Error(),
			Hint: "a part of it could not be undone: look at the files above, then run `tunic reload`"}}
	}
	if _, ok := errors.AsType[*api.Failure](err); ok {
		return err
	}
	return Usage(err, "nothing was changed")
}
