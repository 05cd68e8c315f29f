-- Written by tunic; changes here are lost.
pidfile = "/run/tunic/xmpp/prosody.pid"
data_path = "/var/lib/tunic/xmpp"
plugin_paths = { "/run/tunic/xmpp/modules" }
log = { { levels = { min = "info" }, to = "console", timestamps = false } }
umask = "077"
interfaces = { "127.0.0.1" }
c2s_ports = { 5222 }
s2s_ports = { 5269 }
c2s_direct_tls_ports = {}
s2s_direct_tls_ports = {}
http_ports = { 5280 }
http_interfaces = { "127.0.0.1" }
https_ports = {}
modules_enabled = { "roster", "saslauth", "tls", "dialback", "disco", "ping", "carbons", "mam", "offline", "smacks", "csi_simple", "pep", "private", "blocklist", "bookmarks", "vcard4", "vcard_legacy", "limits", "onions", "tunic_friends", "tunic_logins", "tunic_queue", "tunic_requests", "tunic_turns", "tunic_users", "tunic_sendq" }
component_admins_as_room_owners = true
modules_disabled = { "s2s_bidi", "s2s_auth_certs", "admin_shell", "admin_socket" }
storage = { archive = "tunic", muc_log = "tunic", offline = "tunic", uploads = "tunic" } -- others are internal
storage_archive_item_limit = 2147483647 -- tunic's stores have bounds of their own
authentication = "internal_hashed"
password_hash = "SHA-256"
c2s_require_encryption = true
s2s_require_encryption = true
s2s_secure_auth = false -- the name is the key; dialback goes to the onion
s2s_timeout = 120
smacks_enabled_s2s = false -- it gives back what tunic_queue keeps
archive_expires_after = "1y"
default_archive_policy = true
limits = { c2s = { rate = "100kb/s", burst = "5s" }, s2sin = { rate = "100kb/s", burst = "5s" } }
onions_only = true
onions_socks5_host = "127.0.0.1"
onions_socks5_port = 9250
onions_map = { ["cz2o6ocngwtbhqzsxpdb5qxxsxqvskvf6ymtpx7pzgw3d4ffm6xjvyqd.peer.home.arpa"] = "cz2o6ocngwtbhqzsxpdb5qxxsxqvskvf6ymtpx7pzgw3d4ffm6xjvyqd.onion", ["rooms.cz2o6ocngwtbhqzsxpdb5qxxsxqvskvf6ymtpx7pzgw3d4ffm6xjvyqd.peer.home.arpa"] = "cz2o6ocngwtbhqzsxpdb5qxxsxqvskvf6ymtpx7pzgw3d4ffm6xjvyqd.onion" }
tunic_came = { ["cz2o6ocngwtbhqzsxpdb5qxxsxqvskvf6ymtpx7pzgw3d4ffm6xjvyqd.peer.home.arpa"] = "2026-11-28T20:00:00Z" }
tunic_queue_days = 5
tunic_queue_retry = 60
ssl = { certificate = "/run/tunic/xmpp/cert.pem", key = "/run/tunic/xmpp/key.pem" }
admins = { "alice@b2rjtnpx6bk2v5cwmdyvrtvxcypkqjpyfcvlkg7yhuslwpamaoxz7gqd.peer.home.arpa" }

VirtualHost "b2rjtnpx6bk2v5cwmdyvrtvxcypkqjpyfcvlkg7yhuslwpamaoxz7gqd.peer.home.arpa"

Component "rooms.b2rjtnpx6bk2v5cwmdyvrtvxcypkqjpyfcvlkg7yhuslwpamaoxz7gqd.peer.home.arpa" "muc"
  name = "Rooms"
  modules_enabled = { "muc_mam", "onions", "tunic_queue", "tunic_sendq" }
  muc_room_locking = false -- simple clients never unlock one
  muc_room_default_persistent = true
  muc_room_default_public = false
  restrict_room_creation = "local"
  muc_log_expires_after = "1y"

Component "files.b2rjtnpx6bk2v5cwmdyvrtvxcypkqjpyfcvlkg7yhuslwpamaoxz7gqd.peer.home.arpa" "http_file_share"
  http_host = "b2rjtnpx6bk2v5cwmdyvrtvxcypkqjpyfcvlkg7yhuslwpamaoxz7gqd.peer.home.arpa"
  http_external_url = "https://b2rjtnpx6bk2v5cwmdyvrtvxcypkqjpyfcvlkg7yhuslwpamaoxz7gqd.peer.home.arpa:5281/"
  http_file_share_size_limit = 16777216
  http_file_share_daily_quota = 209715200
  tunic_files_bytes = 2147483648
  http_file_share_expires_after = 2678400
  http_file_share_access = { "b2rjtnpx6bk2v5cwmdyvrtvxcypkqjpyfcvlkg7yhuslwpamaoxz7gqd.peer.home.arpa" }
