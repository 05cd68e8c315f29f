package lab

import (
	"context"
	"fmt"
)

// Status is what `tunic-lab status` tells; its JSON names are stable.
type Status struct {
	ID        string          `json:"id"`
	Dir       string          `json:"dir"`
	Ready     bool            `json:"ready"`   // it was built completely
	Healthy   bool            `json:"healthy"` // and all its processes are alive
	Nodes     []Node          `json:"nodes"`
	Processes []ProcessStatus `json:"processes"`
	Captures  []CaptureStatus `json:"captures"`
}

// ProcessStatus is one long-running process.
type ProcessStatus struct {
	Name  string `json:"name"`
	Node  string `json:"node"`
	PID   int    `json:"pid"`
	Alive bool   `json:"alive"`
	Log   string `json:"log"`
}

// CaptureStatus is one gateway's capture. A capture that cannot be read has an
// Error and counts of 0.
type CaptureStatus struct {
	Gateway string `json:"gateway"`
	File    string `json:"file"`
	Packets int    `json:"packets"` // both directions
	Foreign int    `json:"foreign"` // sent by the gateway and not Tor: Plan.ForeignFilter
	Error   string `json:"error,omitempty"`
}

// Status looks at the lab as it is now. The error is ctx's.
func (l *Lab) Status(ctx context.Context) (Status, error) {
	l.mu.Lock()
	ready := l.state.Ready
	l.mu.Unlock()
	s := Status{ID: l.plan.ID, Dir: l.dir, Ready: ready, Healthy: ready, Nodes: l.plan.Nodes}
	for _, p := range l.Processes() {
		alive := p.Alive()
		s.Healthy = s.Healthy && alive
		s.Processes = append(s.Processes, ProcessStatus{Name: p.Name, Node: p.Node, PID: p.PID, Alive: alive, Log: l.LogFile(p.Name)})
	}
	for _, gateway := range l.plan.Gateways() {
		s.Captures = append(s.Captures, l.captureStatus(ctx, gateway))
	}
	if ctx.Err() != nil {
		return Status{}, fmt.Errorf("looking at lab %q: %w", l.plan.ID, ctx.Err())
	}
	return s, nil
}

func (l *Lab) captureStatus(ctx context.Context, gateway string) CaptureStatus {
	s := CaptureStatus{Gateway: gateway}
	c, err := l.Capture(gateway)
	if err == nil {
		s.File = c.File()
		s.Packets, err = c.Count(ctx, "")
	}
	if err == nil {
		s.Foreign, err = c.Count(ctx, l.plan.ForeignFilter(gateway))
	}
	if err != nil {
		s.Error = err.Error()
	}
	return s
}
