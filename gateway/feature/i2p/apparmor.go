package i2p

import (
	"os"
	"path/filepath"
	"strings"

	"tunic/gateway/config"
)

// Where Debian's package keeps i2pd from all files but its own: by the kernel's AppArmor, if
// that is on, unless the owner's lines add others (apparmor.d(5)).
const (
	apparmorOn    = "sys/module/apparmor/parameters/enabled"
	profile       = "etc/apparmor.d/usr.sbin.i2pd"
	ownersProfile = "etc/apparmor.d/local/usr.sbin.i2pd"
)

// confined reports whether AppArmor keeps i2pd from what tunic gives it.
func confined(p config.Paths) bool {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(p.Root, name))
		if err != nil {
			return "" // it is not there
		}
		return string(text)
	}
	return strings.HasPrefix(read(apparmorOn), "Y") && read(profile) != "" && !strings.Contains(read(ownersProfile), p.I2P()+"/")
}

// permission are the commands that let i2pd read and write there.
func permission(p config.Paths) string {
	return "printf '" + p.Server("i2pd") + "/* r,\\n" + p.I2P() + "/** rwk,\\n' >> /" + ownersProfile +
		" && apparmor_parser -r /" + profile
}
