package api

import "context"

// Parts are those who answer. Errors that are a *Failure keep their hint and
// kind on the way to the command line.
type Parts struct {
	Daemon   Daemon
	Upgrade  Upgrader
	Onions   Onions
	Devices  Devices
	Bypasses Bypasses
	Users    Users
	Mail     Mail
	Servers  Servers
	Peers    Peers
	Services Services
	Phones   Phones
	Sampler  Sampler
}

// Daemon is the household as a whole.
type Daemon interface {
	Status(ctx context.Context) Status
	Plan(ctx context.Context) (Plan, error)
	Reload(ctx context.Context) error
	Lockdown(ctx context.Context) error
}

// Upgrader is who replaces the daemon by another version.
type Upgrader interface {
	// Upgrade returns when the other version works. leave ends this process: it is
	// called once that was answered.
	Upgrade(ctx context.Context) (done Upgraded, leave func(), err error)
}

// Onions is the part that publishes, keeps onions' keys, and knows who may find
// which onion.
type Onions interface {
	Publish(ctx context.Context, r PublishRequest) (Onion, error)
	Unpublish(ctx context.Context, r UnpublishRequest) error
	// Check calls an onion, looks at its targets, and returns what it found.
	Check(ctx context.Context, r CheckRequest) (Onion, error)
	Rotate(ctx context.Context, r RotateRequest) (Onion, error)
	Import(ctx context.Context, r ImportRequest) (Imported, error)
	GrantClient(ctx context.Context, r GrantRequest) error
	RevokeClient(ctx context.Context, r RevokeRequest) error
}

// Devices is the part that knows the household's devices.
type Devices interface {
	// Devices lists configured devices and those that were seen.
	Devices(ctx context.Context) ([]Device, error)
	SetDevice(ctx context.Context, r DeviceRequest) (Device, error)
	Portal(ctx context.Context, r PortalRequest) (Portal, error)
	NewNym(ctx context.Context, r NewNymRequest) (NewNym, error)
	Why(ctx context.Context, r WhyRequest) (Why, error)
	// Try says whether a site opens through Tor.
	Try(ctx context.Context, r TryRequest) (Try, error)
	// Probe treats an interface as one of the household's for a while.
	Probe(ctx context.Context, r ProbeRequest) error
}

// Bypasses is the part that knows what leaves outside Tor because its owner said so.
type Bypasses interface {
	Bypasses(ctx context.Context) ([]Bypass, error)
	AddBypass(ctx context.Context, r BypassRequest) error
	RemoveBypass(ctx context.Context, r BypassRequest) error
}

// Users is the part that keeps the household's accounts.
type Users interface {
	Users(ctx context.Context) ([]User, error)
	AddUser(ctx context.Context, r UserRequest) (User, error)
	ChangeUser(ctx context.Context, r UserRequest) (User, error)
	RemoveUser(ctx context.Context, r UserRequest) error
}

// Mail is the part that knows of mail on its way.
type Mail interface {
	MailQueue(ctx context.Context) ([]Letter, error)
	MailShow(ctx context.Context, r MailRequest) (Letter, error)
	MailFlush(ctx context.Context, r MailRequest) (MailFlush, error)
	MailDrop(ctx context.Context, r MailRequest) error
}

// Servers is the part that knows the managed servers.
type Servers interface {
	// Tail is what a server printed last, the oldest line first.
	Tail(ctx context.Context, r TailRequest) ([]string, error)
}

// Peers is the part that knows friends' boxes.
type Peers interface {
	Invite(ctx context.Context, r InviteRequest) (Invitation, error)
	Accept(ctx context.Context, r AcceptRequest) (Peer, error)
	Confirm(ctx context.Context, r PeerRequest) (Peer, error)
	Peers(ctx context.Context) ([]Peer, error)
	Forget(ctx context.Context, r PeerRequest) error
	Introduce(ctx context.Context, r IntroduceRequest) error
	Rename(ctx context.Context, r RenameRequest) (Peer, error)
}

// Services is the part that knows what friends may use, and what they offer.
type Services interface {
	Services(ctx context.Context) ([]FriendService, error)
	AddService(ctx context.Context, r ServiceRequest) (FriendService, error)
	RemoveService(ctx context.Context, r ServiceName) error
}

// Phones is the part that lets phones reach the box from outside.
type Phones interface {
	AddPhone(ctx context.Context, r PhoneRequest) (Phone, error)
	RemovePhone(ctx context.Context, r PhoneName) error
}

// routes say which part answers which request.
func (p Parts) routes() []route {
	status := func(ctx context.Context) (Status, error) { return p.Daemon.Status(ctx), nil }
	return []route{
		look(get(verbStatus, status)), look(get(verbPlan, p.Daemon.Plan)), post(verbReload, do(p.Daemon.Reload)),
		post(verbLockdown, do(p.Daemon.Lockdown)), leaving(verbUpgrade, p.Upgrade.Upgrade),
		post(verbSample, p.Sampler.Sample),

		post(verbPublish, p.Onions.Publish), post(verbUnpublish, done(p.Onions.Unpublish)), post(verbCheck, p.Onions.Check),
		post(verbRotate, p.Onions.Rotate), post(verbImport, p.Onions.Import),
		post(verbGrantClient, done(p.Onions.GrantClient)), post(verbRevokeClient, done(p.Onions.RevokeClient)),

		look(get(verbDevices, p.Devices.Devices)), post(verbSetDevice, p.Devices.SetDevice), post(verbPortal, p.Devices.Portal),
		post(verbNewNym, p.Devices.NewNym), look(post(verbWhy, p.Devices.Why)), post(verbTry, p.Devices.Try),
		post(verbProbe, done(p.Devices.Probe)),

		look(get(verbBypasses, p.Bypasses.Bypasses)), post(verbAddBypass, done(p.Bypasses.AddBypass)),
		post(verbRemoveBypass, done(p.Bypasses.RemoveBypass)),

		get(verbUsers, p.Users.Users), post(verbAddUser, p.Users.AddUser), post(verbChangeUser, p.Users.ChangeUser),
		post(verbRemoveUser, done(p.Users.RemoveUser)),

		get(verbMailQueue, p.Mail.MailQueue), post(verbMailShow, p.Mail.MailShow), post(verbMailFlush, p.Mail.MailFlush),
		post(verbMailDrop, done(p.Mail.MailDrop)),

		post(verbTail, p.Servers.Tail),

		look(get(verbPeers, p.Peers.Peers)), post(verbInvite, p.Peers.Invite), post(verbAccept, p.Peers.Accept),
		post(verbConfirm, p.Peers.Confirm),
		post(verbRename, p.Peers.Rename), post(verbForget, done(p.Peers.Forget)), post(verbIntroduce, done(p.Peers.Introduce)),

		get(verbServices, p.Services.Services), post(verbAddService, p.Services.AddService),
		post(verbRemoveService, done(p.Services.RemoveService)),

		post(verbAddPhone, p.Phones.AddPhone), post(verbRemovePhone, done(p.Phones.RemovePhone)),
	}
}
