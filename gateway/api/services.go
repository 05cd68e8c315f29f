package api

import "context"

// ServiceRequest makes a service for friends, or the same one again: exactly one of
// Command and Target is set. What is zero is as without.
type ServiceRequest struct {
	Name    string   `json:"name"`
	Command []string `json:"command,omitempty"` // the program with its whole path, and its arguments
	Target  string   `json:"target,omitempty"`  // "HOST:PORT" or "unix:/PATH"
	Proxy   bool     `json:"proxy,omitempty"`   // the target expects a PROXY header, version 2
	Friends []string `json:"friends"`
	Port    uint16   `json:"port,omitempty"` // at friends' houses
}

// ServiceName names a service.
type ServiceName struct {
	Name string `json:"name"`
}

// FriendService is what friends may use here, or, with By, what a friend lets this box use.
type FriendService struct {
	Name    string   `json:"name"`
	By      string   `json:"by,omitempty"`
	Command []string `json:"command,omitempty"`
	Target  string   `json:"target,omitempty"`
	Friends []string `json:"friends,omitempty"`
	Port    uint16   `json:"port,omitempty"`
	Error   string   `json:"error,omitempty"` // why it does not work
	Down    string   `json:"down,omitempty"`  // why Target does not answer; said by AddService alone
}

// Services lists what friends may use, then what friends offer.
func (c *Client) Services(ctx context.Context) ([]FriendService, error) {
	return ask(ctx, c, verbServices, struct{}{})
}

// AddService makes a service.
func (c *Client) AddService(ctx context.Context, r ServiceRequest) (FriendService, error) {
	return ask(ctx, c, verbAddService, r)
}

// RemoveService takes one away.
func (c *Client) RemoveService(ctx context.Context, r ServiceName) error {
	_, err := ask(ctx, c, verbRemoveService, r)
	return err
}
