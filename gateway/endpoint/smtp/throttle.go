package smtp

import (
	"errors"

	"tunic/gateway/account"
)

var (
	errThrottled = refuse(454, 4, 7, 0, "%v", account.ErrThrottled)
	errGuessed   = refuse(454, 4, 7, 0, "%v", account.ErrGuessed)
)

// throttle slows those down who guess passwords, in the words of SMTP.
type throttle struct{ account.Throttle }

// check refuses a device that has guessed too often.
func (t *throttle) check(id string) error { return inSMTP(t.Check(id)) }

// checkAccount refuses an account at which too many have guessed.
func (t *throttle) checkAccount(name, id string) error { return inSMTP(t.CheckAccount(name, id)) }

func inSMTP(err error) error {
	switch {
	case errors.Is(err, account.ErrThrottled):
		return errThrottled
	case errors.Is(err, account.ErrGuessed):
		return errGuessed
	}
	return err
}
