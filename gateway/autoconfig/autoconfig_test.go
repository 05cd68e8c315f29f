package autoconfig

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

func settings() Settings {
	return Settings{Domain: strings.Repeat("a", 56) + ".peer.home.arpa", Host: "box.home.arpa", IMAPS: 993, Submit: 587,
		CA: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("der & der")}))}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is\n%s\n%v", name, got, err)
	}
}

func TestThunderbird(t *testing.T) {
	got := settings().Thunderbird()
	golden(t, "config-v1.1.xml", got)
	type server struct {
		Type     string `xml:"type,attr"`
		Hostname string `xml:"hostname"`
		Port     int    `xml:"port"`
		Socket   string `xml:"socketType"`
		Auth     string `xml:"authentication"`
		User     string `xml:"username"`
	}
	var c struct {
		XMLName  xml.Name `xml:"clientConfig"`
		Version  string   `xml:"version,attr"`
		Provider struct {
			ID       string `xml:"id,attr"`
			Domain   string `xml:"domain"`
			Incoming server `xml:"incomingServer"`
			Outgoing server `xml:"outgoingServer"`
		} `xml:"emailProvider"`
	}
	if err := xml.Unmarshal(got, &c); err != nil {
		t.Fatal(err)
	}
	in, out := c.Provider.Incoming, c.Provider.Outgoing
	if c.Version != "1.1" || c.Provider.Domain != settings().Domain || in.Type != "imap" || in.Port != 993 || in.Socket != "SSL" ||
		out.Type != "smtp" || out.Port != 587 || out.Socket != "STARTTLS" || in.Hostname != "box.home.arpa" ||
		out.Hostname != in.Hostname ||
		in.Auth != "password-cleartext" || in.User != "%EMAILLOCALPART%" || out.User != in.User {
		t.Errorf("%+v", c)
	}
}

// plist reads a property list's dictionaries into maps, as far as ours goes.
func plist(t *testing.T, text []byte) map[string]any {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(text))
	for {
		token, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "dict" {
			return value(t, d, e).(map[string]any)
		}
	}
}

func value(t *testing.T, d *xml.Decoder, e xml.StartElement) any {
	t.Helper()
	dict, list, text, key := map[string]any{}, []any{}, "", ""
	for {
		token, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.CharData:
			text += string(token)
		case xml.StartElement:
			v := value(t, d, token)
			switch {
			case e.Name.Local == "array":
				list = append(list, v)
			case token.Name.Local == "key":
				key = v.(string)
			default:
				dict[key] = v
			}
		case xml.EndElement:
			switch e.Name.Local {
			case "dict":
				return dict
			case "array":
				return list
			case "true":
				return true
			}
			return text
		}
	}
}

func TestApple(t *testing.T) {
	got := settings().Apple("bob.m")
	golden(t, "bob.mobileconfig", got)
	if !bytes.Equal(got, settings().Apple("bob.m")) || bytes.Equal(got, settings().Apple("eve")) {
		t.Error("the same user gets another profile, or another the same")
	}
	p := plist(t, got)
	content, _ := p["PayloadContent"].([]any)
	if p["PayloadType"] != "Configuration" || len(content) != 2 {
		t.Fatalf("%v", p)
	}
	uuids := regexp.MustCompile(`^[0-9A-F]{8}-[0-9A-F]{4}-8[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$`)
	seen := map[any]bool{}
	for _, payload := range append(content, any(p)) {
		m := payload.(map[string]any)
		if id, _ := m["PayloadUUID"].(string); !uuids.MatchString(id) || seen[id] || seen[m["PayloadIdentifier"]] ||
			m["PayloadVersion"] != "1" {
			t.Errorf("the payload %v", m)
		} else {
			seen[id], seen[m["PayloadIdentifier"]] = true, true
		}
	}
	ca, mail := content[0].(map[string]any), content[1].(map[string]any)
	if der, err := base64.StdEncoding.DecodeString(ca["PayloadContent"].(string)); err != nil || string(der) != "der & der" {
		t.Errorf("the certificate is %q, %v", der, err)
	}
	for key, want := range map[string]any{"EmailAccountType": "EmailTypeIMAP", "EmailAddress": "bob.m@" + settings().Domain,
		"IncomingMailServerPortNumber": "993", "IncomingMailServerUseSSL": true, "IncomingMailServerUsername": "bob.m",
		"OutgoingMailServerPortNumber": "587", "OutgoingMailServerUseSSL": true, "OutgoingMailServerHostName": "box.home.arpa"} {
		if mail[key] != want {
			t.Errorf("%s is %v, want %v", key, mail[key], want)
		}
	}
}

func TestHandler(t *testing.T) {
	s := httptest.NewServer(settings().Handler())
	defer s.Close()
	for path, want := range map[string]struct {
		status     int
		kind, part string
	}{
		"/mail/config-v1.1.xml?emailaddress=bob%40x":   {200, "text/xml", "<clientConfig"},
		"/.well-known/autoconfig/mail/config-v1.1.xml": {200, "text/xml", "<clientConfig"},
		"/ca.crt":                      {200, "application/x-x509-ca-cert", "BEGIN CERTIFICATE"},
		"/apple/bob.mobileconfig":      {200, "application/x-apple-aspen-config", "<string>bob@aaaa"},
		"/":                            {200, "text/plain", "port 993"},
		"/apple/Bob.mobileconfig":      {404, "", ""},
		"/apple/b%3Cx%3E.mobileconfig": {404, "", ""},
		"/apple/bob":                   {404, "", ""},
		"/apple/" + strings.Repeat("x", 31) + ".mobileconfig": {404, "", ""},
		"/other": {404, "", ""},
	} {
		r, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != want.status || !strings.HasPrefix(r.Header.Get("Content-Type"), want.kind) ||
			!strings.Contains(string(body), want.part) {
			t.Errorf("%s: %s, %s\n%s", path, r.Status, r.Header.Get("Content-Type"), body)
		}
	}
}

// A page whose own name leads here is not told the household's onion.
func TestNamesOfThePages(t *testing.T) {
	h := settings().Handler()
	for host, want := range map[string]int{
		"setup.box.home.arpa": 200, "Setup.Box.Home.Arpa.:80": 200, "autoconfig." + settings().Domain: 200, settings().Domain: 200,
		"10.192.0.1": 200, "10.192.0.1:80": 200, "[fd00::1]": 200, "[fd00::1]:80": 200,
		"attacker.example": 421, "setup.box.home.arpa.attacker.example": 421, "xbox.home.arpa": 421, "": 421, "[::1": 421,
		"[": 421, "[]": 421,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if told := strings.Contains(w.Body.String(), settings().Domain); w.Code != want || told != (want == 200) {
			t.Errorf("%q: %d, %s", host, w.Code, w.Body)
		}
	}
}
