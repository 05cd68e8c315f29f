package mail

import (
	"fmt"
	"os"
	"strings"

	"tunic/gateway/config"
)

// maxPasswordFile is more than any password.
const maxPasswordFile = 1024

// smarthostPassword reads the password for the mail provider's server from its
// file; "" where there is no such server. Without it no mail goes to the internet.
func smarthostPassword(s *config.Smarthost) (password string, err error) {
	if s == nil {
		return "", nil
	}
	path := s.PasswordFile
	info, err := os.Stat(path)
	switch {
	case err != nil:
	case info.Mode()&0o077 != 0:
		err = fmt.Errorf("others can read %s: run chmod 600 %s", path, path)
	case info.Size() > maxPasswordFile:
		err = fmt.Errorf("%s is too long for a password", path)
	default:
		var text []byte
		text, err = os.ReadFile(path)
		password = strings.TrimSpace(string(text))
	}
	if err == nil && password == "" {
		err = fmt.Errorf("%s is empty", path)
	}
	return password, err
}
