package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// stateFile is written as things are made, so that Down finds them even if
// the process that made them was killed.
const stateFile = "state.json"

type state struct {
	ID         string
	Households int
	Machines   []string  // gateways in whose place machines are
	BinDir     string    // the directory of tunic-lab and tunic
	BootID     string    // of the kernel: process ids of another boot mean nothing
	Builder    Process   // the process that is still building the lab
	Processes  []Process // in the order in which they were started
	Ready      bool      // all that is configured was up when Up returned
}

func readState(path string) (state, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return state{}, fmt.Errorf("reading the lab's state: %w", err)
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return state{}, fmt.Errorf("reading the lab's state in %s: %w", path, err)
	}
	return s, nil
}

func writeState(path string, s state) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the lab's state: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), stateFile+".*")
	if err != nil {
		return fmt.Errorf("writing the lab's state: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("writing the lab's state: %w", err)
	}
	return nil
}
