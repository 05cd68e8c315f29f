package api

import "net/http"

// Request is one thing that can be asked of the daemon: Q is what is asked, A
// what is answered. A GET asks nothing more than its path.
type Request[Q, A any] struct {
	method, path string
	about        string // one sentence, for docs/openapi.json
}

// nothing is asked or answered.
type nothing = struct{}

// All requests. The part that answers each stands in parts.go.
var (
	verbStatus   = Request[nothing, Status]{http.MethodGet, "/status", "How things are now."}
	verbPlan     = Request[nothing, Plan]{http.MethodGet, "/plan", "What a reload would change."}
	verbReload   = Request[nothing, nothing]{http.MethodPost, "/reload", "Read the configuration again and apply it."}
	verbLockdown = Request[nothing, nothing]{http.MethodPost, "/lockdown", "Close the household until the next reload."}

	verbUpgrade = Request[nothing, Upgraded]{http.MethodPost, "/upgrade",
		"Replace the daemon by the version that is installed; nothing that runs is cut. It can take a minute."}

	verbSample = Request[SampleRequest, Sample]{http.MethodPost, "/sample",
		"Take a profile of one of the daemon's processes; it takes as long as is asked for."}

	verbPublish   = Request[PublishRequest, Onion]{http.MethodPost, "/publish", "Make an onion, or the same one again."}
	verbUnpublish = Request[UnpublishRequest, nothing]{http.MethodPost, "/unpublish", "Take an onion away."}
	verbCheck     = Request[CheckRequest, Onion]{http.MethodPost, "/check",
		"Call an onion through Tor now; it can take a minute or two."}
	verbRotate = Request[RotateRequest, Onion]{http.MethodPost, "/rotate", "Give an onion a new address."}
	verbImport = Request[ImportRequest, Imported]{http.MethodPost, "/import",
		"Bring the keys of an onion that another program has made."}
	verbGrantClient  = Request[GrantRequest, nothing]{http.MethodPost, "/grant", "Let somebody find an onion."}
	verbRevokeClient = Request[RevokeRequest, nothing]{http.MethodPost, "/revoke", "Take that back."}

	verbDevices   = Request[nothing, []Device]{http.MethodGet, "/devices", "The household's devices."}
	verbSetDevice = Request[DeviceRequest, Device]{http.MethodPost, "/device", "Change a device's policy, for good or for a while."}
	verbPortal    = Request[PortalRequest, Portal]{http.MethodPost, "/portal", "Open or close a device's way to a log-in page."}
	verbNewNym    = Request[NewNymRequest, NewNym]{http.MethodPost, "/newnym",
		"Ask for circuits that have nothing to do with those before."}
	verbWhy   = Request[WhyRequest, Why]{http.MethodPost, "/why", "Explain what happens to a connection, rule by rule."}
	verbTry   = Request[TryRequest, Try]{http.MethodPost, "/try", "Say whether a site opens through Tor, and why not."}
	verbProbe = Request[ProbeRequest, nothing]{http.MethodPost, "/probe", "Treat an interface as one of the household's for a while."}

	verbBypasses  = Request[nothing, []Bypass]{http.MethodGet, "/bypasses", "What leaves outside Tor because the configuration says so."}
	verbAddBypass = Request[BypassRequest, nothing]{http.MethodPost, "/bypass/add",
		"Let devices reach a domain or a network outside Tor."}
	verbRemoveBypass = Request[BypassRequest, nothing]{http.MethodPost, "/bypass/remove", "Have it reached through Tor again."}

	verbUsers      = Request[nothing, []User]{http.MethodGet, "/users", "The household's accounts."}
	verbAddUser    = Request[UserRequest, User]{http.MethodPost, "/user/add", "Make an account."}
	verbChangeUser = Request[UserRequest, User]{http.MethodPost, "/user/change", "Give an account another password or role."}
	verbRemoveUser = Request[UserRequest, nothing]{http.MethodPost, "/user/remove", "Take an account away."}

	verbMailQueue = Request[nothing, []Letter]{http.MethodGet, "/mail", "The mail on its way, the oldest first."}
	verbMailShow  = Request[MailRequest, Letter]{http.MethodPost, "/mail/show", "One mail with its header."}
	verbMailFlush = Request[MailRequest, MailFlush]{http.MethodPost, "/mail/flush", "Try at once what waits."}
	verbMailDrop  = Request[MailRequest, nothing]{http.MethodPost, "/mail/drop", "Remove a mail from the queue."}

	verbTail = Request[TailRequest, []string]{http.MethodPost, "/log", "What a managed server printed last, the oldest line first."}

	verbPeers     = Request[nothing, []Peer]{http.MethodGet, "/peers", "Friends, and those who may become it."}
	verbInvite    = Request[InviteRequest, Invitation]{http.MethodPost, "/invite", "Make an invitation."}
	verbAccept    = Request[AcceptRequest, Peer]{http.MethodPost, "/accept", "Accept an invitation."}
	verbConfirm   = Request[PeerRequest, Peer]{http.MethodPost, "/confirm", "Say that the four words are the same on both sides."}
	verbRename    = Request[RenameRequest, Peer]{http.MethodPost, "/rename", "Give a friend another name."}
	verbForget    = Request[PeerRequest, nothing]{http.MethodPost, "/forget", "End a friendship or an invitation, now."}
	verbIntroduce = Request[IntroduceRequest, nothing]{http.MethodPost, "/introduce", "Send two friends an invitation for each other."}

	verbServices   = Request[nothing, []FriendService]{http.MethodGet, "/services", "What friends may use here, and what they offer."}
	verbAddService = Request[ServiceRequest, FriendService]{http.MethodPost, "/service/add",
		"Let friends use a program or a server."}
	verbRemoveService = Request[ServiceName, nothing]{http.MethodPost, "/service/remove", "End that."}

	verbAddPhone    = Request[PhoneRequest, Phone]{http.MethodPost, "/phone/add", "Let a phone reach mail and chat from outside."}
	verbRemovePhone = Request[PhoneName, nothing]{http.MethodPost, "/phone/remove", "Shut a phone out."}
)
