package ntp

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Clock is what is known of the box's clock.
type Clock struct {
	Trusted  bool          // something keeps it right
	MaxError time.Duration // how wrong it can be, if trusted
	Behind   time.Duration // how far the box's clock is behind what is told
}

// KernelClock asks the kernel whether an NTP client keeps its clock
// (adjtimex(2)). It needs no privilege.
func KernelClock() (Clock, error) {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return Clock{}, fmt.Errorf("asking for the state of the clock: %w", err)
	}
	return Clock{
		Trusted:  t.Status&unix.STA_UNSYNC == 0,
		MaxError: time.Duration(t.Maxerror) * time.Microsecond,
	}, nil
}

// SinceBoot is the time since the machine started, also while it slept
// (CLOCK_BOOTTIME, clock_gettime(2)). Whoever sets the clock does not change it.
func SinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err) // every kernel that this program runs on has it
	}
	return time.Duration(t.Nano())
}
