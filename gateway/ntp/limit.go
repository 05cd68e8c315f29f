package ntp

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tunic/gateway/device"
)

// Limits. A client asks every minute or less often, and a few times at start.
const (
	deviceEvery = 2 * time.Second
	deviceBurst = 8
	allPerSec   = 200 // however many devices there are
	allBurst    = 400
	maxDevices  = 1024
	forgetAfter = time.Minute // of silence; by then a device's burst is full again
)

// limiter bounds how often the time is told, to one device and in all.
type limiter struct {
	mu   sync.Mutex
	all  *rate.Limiter
	each map[device.Key]*client
}

type client struct {
	*rate.Limiter
	last time.Time
}

func newLimiter() *limiter {
	return &limiter{all: rate.NewLimiter(allPerSec, allBurst), each: make(map[device.Key]*client)}
}

// allow reports whether a question of that device is answered.
func (l *limiter) allow(from device.Key, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.each[from]
	if d == nil {
		if len(l.each) >= maxDevices && !l.forget(now) {
			return false
		}
		d = &client{Limiter: rate.NewLimiter(rate.Every(deviceEvery), deviceBurst)}
		l.each[from] = d
	}
	d.last = now
	return d.AllowN(now, 1) && l.all.AllowN(now, 1)
}

// forget makes room and reports whether there is any.
func (l *limiter) forget(now time.Time) bool {
	for from, d := range l.each {
		if now.Sub(d.last) > forgetAfter {
			delete(l.each, from)
		}
	}
	return len(l.each) < maxDevices
}
