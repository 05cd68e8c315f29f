package gopher

// capsName is where clients ask how a server writes its paths (the caps.txt
// convention of Floodgap's Overbite).
const capsName = "caps.txt"

// caps says it for a directory that has no caps.txt of its own. It leaves out
// ServerSoftware and what else would tell about the box.
const caps = `CAPS

# How to read the selectors of this hole.
CapsVersion=1
ExpireCapsAfter=86400

PathDelimeter=/
PathIdentity=.
PathParent=..
PathParentDouble=FALSE
PathEscapeCharacter=
PathKeepPreDelimeter=FALSE

ServerDefaultEncoding=UTF-8
`
