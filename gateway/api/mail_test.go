package api

import (
	"context"
	"errors"
	"reflect"
	"testing"
)

func (f *fake) MailQueue(context.Context) ([]Letter, error) {
	return []Letter{{ID: "3f2a", Recipients: []LetterRecipient{{To: "bob@x", State: "waiting"}}}}, f.err
}

func (f *fake) MailShow(_ context.Context, r MailRequest) (Letter, error) {
	f.asked = append(f.asked, "show", r)
	return Letter{ID: r.ID, Header: "Subject: x\r\n"}, f.err
}

func (f *fake) MailFlush(_ context.Context, r MailRequest) (MailFlush, error) {
	f.asked = append(f.asked, "flush", r)
	return MailFlush{Count: 3}, f.err
}

func (f *fake) MailDrop(_ context.Context, r MailRequest) error {
	f.asked = append(f.asked, "drop", r)
	return f.err
}

func TestMailVerbsGoThrough(t *testing.T) {
	f := &fake{}
	c := client(t, f)
	one, alice := MailRequest{ID: "3f"}, MailRequest{Peer: "alice"}
	list, err1 := c.MailQueue(t.Context())
	shown, err2 := c.MailShow(t.Context(), one)
	flushed, err3 := c.MailFlush(t.Context(), alice)
	err4 := c.MailDrop(t.Context(), one)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Recipients[0].To != "bob@x" || shown.Header == "" || flushed.Count != 3 {
		t.Errorf("%v, %v, %v", list, shown, flushed)
	}
	if want := []any{"show", one, "flush", alice, "drop", one}; !reflect.DeepEqual(f.asked, want) {
		t.Errorf("asked %v, want %v", f.asked, want)
	}
}
