//go:build lab

package raspberrypi

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// parse reads YAML by python3-yaml, as rpi-image-gen does.
func parse(t *testing.T, path string, into any) {
	t.Helper()
	const read = "import json,sys,yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)"
	out, err := exec.Command("python3", "-c", read, path).Output()
	if err == nil {
		d := json.NewDecoder(strings.NewReader(string(out)))
		d.DisallowUnknownFields()
		err = d.Decode(into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// The recipe has the keys that rpi-image-gen knows, the layer that it names is there,
// and so are the files that it installs. No image is built.
func TestRecipe(t *testing.T) {
	var config struct {
		Include struct{ File string }
		Image   struct{ Name string }
		Device  struct{ User1, User1sudo string } // and no password
		Layer   map[string]string
	}
	parse(t, "image/config/tunic.yaml", &config)
	var layer struct {
		MMDebstrap struct {
			Packages  []string
			Customize []string `json:"customize-hooks"`
			Cleanup   []string `json:"cleanup-hooks"`
		}
	}
	parse(t, "image/layer/tunic-gateway.yaml", &layer)
	text, err := os.ReadFile("image/layer/tunic-gateway.yaml")
	if err != nil {
		t.Fatal(err)
	}
	meta := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^# X-Env-Layer-([A-Za-z]+): (.+)$`).FindAllStringSubmatch(string(text), -1) {
		meta[m[1]] = m[2]
		if !slices.Contains([]string{"Name", "Version", "Category", "Desc", "Requires"}, m[1]) {
			t.Errorf("the layer has the field %s", m[1])
		}
	}
	if meta["Name"] == "" || meta["Name"] != config.Layer["app"] || !strings.HasPrefix(string(text), "# METABEGIN\n") ||
		!strings.Contains(string(text), "\n# METAEND\n---\n") {
		t.Errorf("the layer is %q, and the configuration names %q", meta["Name"], config.Layer["app"])
	}
	hooks := strings.Join(layer.MMDebstrap.Customize, "\n")
	installed := regexp.MustCompile(`install -D -m \d+ (\S+) `).FindAllStringSubmatch(hooks, -1)
	if len(installed) != 3 {
		t.Errorf("%d files are installed", len(installed))
	}
	for _, m := range installed {
		if _, err := os.Stat("image/" + m[1]); err != nil {
			t.Error(err)
		}
	}
	for _, hook := range layer.MMDebstrap.Customize {
		if out, err := exec.Command("sh", "-n", "-c", hook).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", hook, out)
		}
	}
	if len(layer.MMDebstrap.Packages) == 0 || !slices.Contains(layer.MMDebstrap.Packages, "hostapd") {
		t.Errorf("the packages: %q", layer.MMDebstrap.Packages)
	}
}
