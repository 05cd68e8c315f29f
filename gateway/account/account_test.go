package account

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
	}
}

// fixed is a record that is the same in each run.
func fixed(t testing.TB, password string) Record {
	t.Helper()
	r, err := derive(password, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", minIterations)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRenderings(t *testing.T) {
	bob := User{Name: "bob", Role: Admin, Record: fixed(t, "a tall order of chips")}
	eve := User{Name: "eve.b-2", Role: Member, Record: fixed(t, "another tall order")}
	guest := User{Name: "carol", Role: Guest, Record: fixed(t, "a guest's long word")}
	golden(t, "bob.dat", bob.Prosody())
	golden(t, "passwd", Dovecot([]User{bob, guest, eve}))
	golden(t, "bob.record", bob.Record.Encode()+"\n")
}

func TestRecords(t *testing.T) {
	r, err := NewRecord("tall order of chips")
	if err != nil {
		t.Fatal(err)
	}
	if r.Iterations != 50_000 || !printable(r.Salt) || len(r.Salt) != saltLength {
		t.Errorf("%d iterations, salt %q", r.Iterations, r.Salt)
	}
	if !r.Check("tall order of chips") || r.Check("tall order of chip") || r.Check("") {
		t.Error("the record takes another password than its own")
	}
	again, err := ParseRecord(r.Encode())
	if err != nil || again != r {
		t.Errorf("%v after writing and reading", err)
	}
	other, _ := NewRecord("tall order of chips")
	if other.Salt == r.Salt {
		t.Error("two records have one salt")
	}
}

func TestRecordsThatAreNone(t *testing.T) {
	good := fixed(t, "tall order of chips").Encode()
	for _, bad := range []string{
		"", "tall order of chips", strings.Replace(good, "256", "1", 1), strings.Replace(good, "4096", "4095", 1),
		strings.Replace(good, "4096", "99999999", 1), strings.Replace(good, "4096", "x", 1), good + "AAAA", good[:len(good)-4],
		strings.Replace(good, ":", "", 1), strings.Replace(good, "QUJD", "AAAA", 1), good + "$",
	} {
		if _, err := ParseRecord(bad); err == nil {
			t.Errorf("%q is taken", bad)
		} else if len(bad) > 30 && strings.Contains(err.Error(), bad[20:30]) {
			t.Errorf("the error repeats the record: %v", err)
		}
	}
}

// What is not meant for print is not printed by accident.
func TestRecordsHideThemselves(t *testing.T) {
	u := User{Name: "bob", Role: Member, Record: fixed(t, "tall order of chips")}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(format, u); strings.Contains(s, u.Record.Salt) ||
			strings.Contains(s, fmt.Sprint(u.Record.StoredKey[0], " ", u.Record.StoredKey[1])) {
			t.Errorf("%s prints %s", format, s)
		}
	}
}

func TestNames(t *testing.T) {
	for _, good := range []string{"bob", "b", "bob.miller", "anna-lena_2", "2b", strings.Repeat("x", 30)} {
		if err := CheckName(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "Bob", "bob miller", ".bob", "bob.", "b..b", "b.-b", "../bob", "b/b", "bob@home", "jürgen",
		"bob\n", "-bob", strings.Repeat("x", 31), "postmaster", "abuse", "root", "admin", "all", "rooms"} {
		if CheckName(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestPasswords(t *testing.T) {
	for _, good := range []string{"correct horse battery", "hTq29-x!oPwq", "blauer fahrradhelm", Generate(), "qwertyisnotenough 77"} {
		if err := CheckPassword("bob", good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for bad, why := range map[string]string{
		"":                             "too short",
		"hTq29-x!o":                    "too short",
		strings.Repeat("abcdefg", 20):  "too long",
		"pässwörter sind lang":         "not every program",
		"tab\there is in it":           "not every program",
		" begins with a space":         "space",
		"ends with a space ":           "space",
		"aaaaaaaaaaaa":                 "repeats",
		"1212121212121212":             "repeats",
		"1234567890":                   "common",
		"01.02.1990-31":                "common",
		"password123":                  "common",
		"P@ssw0rd2024!":                "common",
		"passwordpassword":             "common",
		"!!!qwertyuiop!!!":             "common",
		"Sunshine-Flower7":             "common",
		"1q2w3e4r5t6y":                 "common",
		"thepassword!!":                "common",
		"bobs long secret bob is here": "name",
	} {
		err := CheckPassword("bob", bad)
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want something with %q", bad, err, why)
		}
		if err != nil && len(bad) > 5 && strings.Contains(err.Error(), bad) {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
}

func TestGenerated(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		p := Generate()
		if len(p) != 19 || seen[p] || CheckPassword("bob", p) != nil {
			t.Fatalf("%q", p)
		}
		seen[p] = true
	}
}

func TestBook(t *testing.T) {
	b := NewBook("secret", []User{
		{Name: "bob", Role: Admin, Record: fixed(t, "tall order of chips")},
		{Name: "ann", Role: Admin, Record: fixed(t, "small order of chips")},
		{Name: "eve", Role: Member, Record: fixed(t, "no order of chips")},
		{Name: "gus", Role: Guest, Record: fixed(t, "guest order of chips")},
	})
	for login, want := range map[string]string{"bob": "bob", "Bob@ABC.peer.home.arpa": "bob", "eve": "", "nobody": "", "": ""} {
		if name, ok := b.Login(login, "tall order of chips"); name != want || ok != (want != "") {
			t.Errorf("%q is logged in as %q, %v", login, name, ok)
		}
	}
	for local, want := range map[string][]string{
		"bob": {"bob"}, "EVE": {"eve"}, "postmaster": {"ann", "bob"}, "Abuse": {"ann", "bob"}, "gus": nil, "nobody": nil, "": nil,
	} {
		if got := b.Mailboxes(local); !slices.Equal(got, want) {
			t.Errorf("mail for %q goes to %v, want %v", local, got, want)
		}
	}
	if u, ok := b.User("eve"); !ok || u.Role != Member {
		t.Errorf("eve is %v, %v", u, ok)
	}
	if ghost, known := b.lookup("ghost"); known || ghost.Check("") {
		t.Error("a ghost can log in")
	}
}
