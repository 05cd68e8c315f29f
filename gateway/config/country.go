package config

import (
	"slices"
	"strings"
)

// Country is one of [tor] exit-countries.
type Country struct {
	Code    string // ISO 3166-1, two lower-case letters
	Exclude bool   // "!us": anywhere but there
}

// countryCodes are the assigned ones of ISO 3166-1 alpha-2, and xk for Kosovo,
// as they are in Tor's database of addresses.
const countryCodes = "ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br bs bt bv bw by bz " +
	"ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et fi fj fk fm fo fr " +
	"ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp " +
	"ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp mq mr ms mt mu mv " +
	"mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd " +
	"se sg sh si sj sk sl sm sn so sr ss st sv sx sy sz " +
	"tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug um us uy uz va vc ve vg vi vn vu wf ws xk ye yt za zm zw"

const countryHint = `two letters of ISO 3166, like "de", or "!us" for anywhere but there`

func readCountries(t *table) []Country {
	var list []Country
	t.texts("exit-countries", func(path, text string) {
		code, exclude := strings.CutPrefix(strings.ToLower(text), "!")
		c := Country{Code: code, Exclude: exclude}
		same := slices.IndexFunc(list, func(o Country) bool { return o.Code == code })
		switch {
		case code == "uk":
			t.doc.add(path, problemf(`write "gb"`, "%q is not the code of the United Kingdom", text))
		case len(code) != 2 || !slices.Contains(strings.Fields(countryCodes), code):
			t.doc.add(path, problemf(countryHint, "%q is not the code of a country", text))
		case same >= 0 && list[same].Exclude != exclude:
			t.doc.add(path, problemf("decide for one of them", "%q is both wanted and excluded", code))
		case same >= 0:
			t.doc.add(path, problemf("", "%q is named twice", text))
		default:
			list = append(list, c)
		}
	})
	return list
}
