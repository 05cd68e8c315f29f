package page

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"tunic/gateway/health"
)

// told is a finding as the page tells it.
type told struct {
	Title, Means string
	Message      string // what the box says of it in English; "": the title is that
	Action       []word
	Room         string // where an admin can do something about it; "": nowhere on the page
}

// word is a piece of a text, Code if it is to be typed.
type word struct {
	Text string
	Code bool
}

// wordsOf divides a text at its backticks.
func wordsOf(text string) (list []word) {
	for i, piece := range strings.Split(text, "`") {
		if piece != "" {
			list = append(list, word{piece, i%2 == 1})
		}
	}
	return list
}

// inWords is what there is to say of a code in a language other than health's own.
type inWords struct {
	Title  string `json:"title"`
	Means  string `json:"means"`
	Action string `json:"action"`
}

// findingWords are those of the other languages, by code.
var findingWords = sync.OnceValue(readFindings)

func readFindings() map[string]map[health.Code]inWords {
	all := make(map[string]map[health.Code]inWords)
	for _, name := range languages[1:] {
		text, err := textFiles.ReadFile("texts/findings." + name + ".json")
		list := make(map[health.Code]inWords)
		if err == nil {
			err = json.Unmarshal(text, &list)
		}
		if err != nil {
			panic(fmt.Sprintf("the findings in %s: %v", name, err)) // they are of one piece with the program
		}
		all[name] = list
	}
	return all
}

// findingRooms say where on the page something can be done about a finding.
var findingRooms = map[health.Code]string{
	health.TargetUnreachable: "onions", health.TargetOnInternet: "onions", health.NameRefused: "onions",
	health.OnionUnreachable: "onions", health.OnionNotPublished: "onions", health.OnionElsewhere: "onions", health.NobodyInvited: "onions",
	health.PhoneShutOut:  "onions",
	health.HomePrivate:   "friends",
	health.TorOverTor:    "devices",
	health.DeviceFull:    "devices",
	health.AddressShared: "devices",
	health.ForwardingOff: "devices",
}

// Finding tells a finding in the page's language.
func (v view) Finding(f health.Finding) told {
	e, _ := health.Explain(f.Code)
	t := told{Title: f.Text, Means: e.Means, Action: wordsOf(f.Action), Room: findingRooms[f.Code]}
	if other, ok := findingWords()[v.Lang][f.Code]; ok {
		t.Title, t.Means, t.Message, t.Action = other.Title, other.Means, f.Text, wordsOf(other.Action)
		if f.Subject != "" {
			t.Title += ": " + f.Subject
		}
	}
	return t
}
