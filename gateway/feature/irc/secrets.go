package irc

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/endpoint/irc"
	"tunic/gateway/feature"
)

// Secrets reads what the operator of the IRC server logs in with.
func Secrets(p config.Paths) (irc.Secrets, error) {
	s, err := read(p.IRCSecrets())
	if errors.Is(err, fs.ErrNotExist) {
		return s, feature.Usage(errors.New("IRC is not set up"),
			"make the file "+filepath.Join(p.EndpointDir(), "irc.toml")+", which may be empty, and run `tunic reload`")
	}
	return s, err
}

// look reads the server's secrets, or makes them.
func look(s feature.Scene) (irc.Secrets, error) {
	secrets, err := read(s.Paths.IRCSecrets())
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return secrets, err
	case s.Foreseen:
		return irc.Secrets{Salt: feature.ToBeMade, Operator: feature.ToBeMade}, nil
	}
	secrets = irc.Secrets{Salt: rand.Text(), Operator: rand.Text()}
	raw, err := json.Marshal(secrets)
	if err == nil {
		err = durable.Write(s.Paths.IRCSecrets(), append(raw, '\n'), 0o600)
	}
	if err != nil {
		return irc.Secrets{}, err
	}
	return secrets, nil
}

// read reads them from their file.
func read(path string) (s irc.Secrets, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	err = json.Unmarshal(raw, &s)
	if err == nil && (s.Salt == "" || s.Operator == "") {
		err = errors.New("a secret is missing")
	}
	if err != nil {
		return irc.Secrets{}, fmt.Errorf("%s: %w: remove it, and others are made", path, err)
	}
	return s, nil
}
