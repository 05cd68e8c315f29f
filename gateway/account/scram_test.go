package account

import (
	"errors"
	"strings"
	"testing"
)

// vector is the example of RFC 7677, section 3.
func vector(t testing.TB) (*Exchange, string, string) {
	salt, err := b64.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	r, err := derive("pencil", string(salt), 4096)
	if err != nil {
		t.Fatal(err)
	}
	e := NewBook("secret", []User{{Name: "user", Role: Member, Record: r}}).Exchange()
	e.nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	return e, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
}

func TestScramVector(t *testing.T) {
	e, first, final := vector(t)
	for i, step := range []struct{ response, challenge string }{
		{"", ""}, // the client waits for the server, as in SMTP without an initial response
		{first, "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"},
		{final, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
	} {
		challenge, done, err := e.Next([]byte(step.response))
		if err != nil || done || string(challenge) != step.challenge {
			t.Fatalf("step %d: %q, %v, %v; want %q", i, challenge, done, err, step.challenge)
		}
	}
	if challenge, done, err := e.Next(nil); len(challenge) > 0 || !done || err != nil || e.Name() != "user" {
		t.Errorf("at the end: %q, %v, %v, %q", challenge, done, err, e.Name())
	}
	if _, done, err := e.Next(nil); done || err == nil {
		t.Error("it goes on after its end")
	}
}

func TestScramRefuses(t *testing.T) {
	_, first, final := vector(t)
	for name, c := range map[string]struct {
		first, final string
		want         error
	}{
		"a wrong proof":            {first, strings.Replace(final, "p=dHzb", "p=dHzc", 1), ErrLogin},
		"a proof for another text": {first, strings.Replace(final, ",p=", ",x=1,p=", 1), ErrLogin},
		"a short proof":            {first, final[:len(final)-8], ErrScram},
		"no proof":                 {first, "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", ErrScram},
		"another nonce":            {first, strings.Replace(final, "r=rOpr", "r=rOps", 1), ErrScram},
		"only the client's nonce":  {first, strings.Replace(final, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "", 1), ErrScram},
		"another header":           {first, strings.Replace(final, "c=biws", "c=eSws", 1), ErrScram},
		"channel binding":          {strings.Replace(first, "n,,", "p=tls-unique,,", 1), "", ErrScram},
		"acting for another":       {strings.Replace(first, "n,,", "n,a=root,", 1), "", ErrScram},
		"an extension":             {strings.Replace(first, "n,,", "n,,m=x,", 1), "", ErrScram},
		"a bad escape":             {strings.Replace(first, "user", "us=er", 1), "", ErrScram},
		"no nonce":                 {"n,,n=user", "", ErrScram},
		"an empty nonce":           {"n,,n=user,r=", "", ErrScram},
		"no header":                {"n=user,r=abc", "", ErrScram},
		"another user's proof":     {strings.Replace(first, "user", "ghost", 1), final, ErrLogin},
	} {
		e, _, _ := vector(t)
		_, done, err := e.Next([]byte(c.first))
		if err == nil {
			_, done, err = e.Next([]byte(c.final))
		}
		if done || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, done, err, c.want)
		}
		if _, done, err := e.Next(nil); done || err == nil {
			t.Errorf("%s: it goes on", name)
		}
	}
}

// Who asks for a user learns nothing from the answer, also when asking twice.
func TestScramTellsNobody(t *testing.T) {
	record, _ := NewRecord("tall order of chips")
	b := NewBook("secret", []User{{Name: "user", Role: Member, Record: record}})
	answer := func(name string) (salt, count string) {
		e := b.Exchange()
		c, _, err := e.Next([]byte("n,,n=" + name + ",r=abc"))
		parts := strings.Split(string(c), ",")
		if err != nil || len(parts) != 3 {
			t.Fatalf("%q, %v", c, err)
		}
		return parts[1], parts[2]
	}
	salt, count := answer("user")
	ghost, ghostCount := answer("ghost")
	again, _ := answer("Ghost")
	if ghost != again || len(ghost) != len(salt) || ghostCount != count {
		t.Errorf("user has %s %s, ghost %s %s and then %s", salt, count, ghost, ghostCount, again)
	}
}

func FuzzScram(f *testing.F) {
	_, first, final := vector(f)
	f.Add(first, final)
	f.Add("p=x,,n=,r=", "c=,r=,p=")
	f.Add("n,a==2C,n==3D,r=x,", ",p=")
	f.Fuzz(func(t *testing.T, one, two string) {
		e, first, final := vector(t)
		_, done, err := e.Next([]byte(one))
		if err == nil && !done {
			_, done, err = e.Next([]byte(two))
		}
		bare, _, _ := strings.Cut(two, ",p=")
		want, _, _ := strings.Cut(final, ",p=")
		if err == nil && e.step == 2 && (one != first || bare != want) {
			t.Errorf("%q, %q logs in", one, two)
		}
		if done {
			t.Errorf("%q, %q is done early", one, two)
		}
	})
}
