package account

import (
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// Bounds of a password's length. Ten characters that are in no list take years
// against the record; none of a house's servers takes more than 128.
const MinPassword, maxPassword = 10, 128

// minDistinct refuses "aaaaaaaaaa" and "121212121212".
const minDistinct = 5

// common are words that passwords are made of first of all, one a line.
//
//go:embed common.txt
var commonText string

var common = makeSet(strings.Fields(commonText))

func makeSet(words []string) map[string]bool {
	set := make(map[string]bool, len(words))
	for _, w := range words {
		set[w] = true
	}
	return set
}

// CheckPassword refuses passwords that can be guessed, and characters that
// SASLprep (RFC 4013) would change or that keyboards write differently. The
// error says what to do and repeats nothing of the password.
func CheckPassword(name, password string) error {
	lower := strings.ToLower(password)
	switch {
	case strings.IndexFunc(password, func(r rune) bool { return r < ' ' || r > '~' }) >= 0:
		return errors.New("the password has characters that not every program sends alike: " +
			"use plain letters, digits, spaces and punctuation")
	case password != strings.TrimSpace(password):
		return errors.New("the password begins or ends with a space, which gets lost on the way")
	case len(password) < MinPassword:
		return fmt.Errorf("the password is too short: it needs %d characters", MinPassword)
	case len(password) > maxPassword:
		return fmt.Errorf("the password is too long: it may have %d characters", maxPassword)
	case len(makeSet(strings.Split(password, ""))) < minDistinct:
		return errors.New("the password repeats a few characters: it is easy to guess")
	case len(name) > 2 && strings.Contains(lower, name):
		return errors.New("the password contains the user's name: it is easy to guess")
	case guessable(lower):
		return errors.New("the password is made of common words or of digits alone: it is easy to guess")
	}
	return nil
}

// unleet turns what is commonly written for letters back.
var unleet = strings.NewReplacer("0", "o", "1", "l", "3", "e", "4", "a", "@", "a", "5", "s", "$", "s", "7", "t", "!", "i")

// guessable reports whether a password of lower-case letters is at most two
// common words with digits and punctuation around them.
func guessable(password string) bool {
	isOther := func(r rune) bool { return r < 'a' || r > 'z' }
	core := strings.TrimFunc(password, isOther)
	if core == "" {
		return true // no letter at all
	}
	for _, text := range []string{password, core, unleet.Replace(core)} {
		if common[text] {
			return true
		}
		text = strings.Map(func(r rune) rune {
			if isOther(r) {
				return -1
			}
			return r
		}, text)
		for i := 1; i <= len(text); i++ {
			if common[text[:i]] && (i == len(text) || common[text[i:]]) {
				return true
			}
		}
	}
	return false
}

// alphabet leaves out what looks alike on paper.
const alphabet = "abcdefghjkmnpqrstuvwxyz23456789"

// Generate makes a password that is easy to copy by hand: four groups of four
// characters, 79 bits.
func Generate() string {
	groups := make([]string, 4)
	for i := range groups {
		var g [4]byte
		for j := range g {
			n, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
			if err != nil {
				panic(err) // crypto/rand never fails
			}
			g[j] = alphabet[n.Int64()]
		}
		groups[i] = string(g[:])
	}
	return strings.Join(groups, "-")
}
