package api

import (
	"context"
	"reflect"
	"testing"
)

func (f *fake) Services(context.Context) ([]FriendService, error) {
	return []FriendService{{Name: "uptime", Command: []string{"/usr/bin/uptime"}, Friends: []string{"bob"}, Port: 79}}, nil
}

func (f *fake) AddService(_ context.Context, r ServiceRequest) (FriendService, error) {
	return FriendService{Name: r.Name, Command: r.Command, Target: r.Target, Friends: r.Friends, Port: r.Port}, nil
}

func (f *fake) RemoveService(_ context.Context, r ServiceName) error { return nil }

// What is asked arrives, and what is answered comes back.
func TestServiceRequests(t *testing.T) {
	c := client(t, &fake{})
	list, err := c.Services(t.Context())
	if err != nil || len(list) != 1 || list[0].Port != 79 {
		t.Errorf("%+v, %v", list, err)
	}
	got, err := c.AddService(t.Context(), ServiceRequest{Name: "x", Target: "nas:1", Friends: []string{"bob"}, Port: 7})
	if want := (FriendService{Name: "x", Target: "nas:1", Friends: []string{"bob"}, Port: 7}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := c.RemoveService(t.Context(), ServiceName{Name: "x"}); err != nil {
		t.Error(err)
	}
}
