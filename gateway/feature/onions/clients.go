package onions

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
)

// checkImported refuses an onion that another tor published for clients whom
// its file here does not name: it would be for others than before.
func checkImported(ring Round, o config.Onion, dir string) error {
	foreign, err := ring.ForeignClients(dir)
	if err != nil {
		return fmt.Errorf("reading the clients that were imported with it: %w", err)
	}
	var missing []string
	for label, key := range foreign {
		if !slices.ContainsFunc(o.Clients, func(c config.Client) bool { return c.Key == string(key) }) {
			missing = append(missing, fmt.Sprintf("%q", label+":"+string(key)))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return fmt.Errorf("it was imported as a private one: write `private = true` and `clients = [%s]` into onions/%s.toml, "+
		"or remove %s/authorized_clients",
		strings.Join(missing, ", "), o.Name, dir)
}

// clients lists who can find an onion; of home these are the friends too.
func clients(c *config.Config, o config.Onion) []api.OnionClient {
	var list []api.OnionClient
	if !o.Restricted() {
		return nil
	}
	for _, client := range o.Clients {
		if client.Key != "" {
			list = append(list, api.OnionClient{Name: client.Name(), Key: client.Key})
		}
	}
	for _, p := range c.Peers {
		named := slices.ContainsFunc(o.Clients, func(c config.Client) bool { return c.Peer == p.Name })
		if named || o.Name == config.HomeOnion {
			list = append(list, api.OnionClient{Name: p.Name, Peer: true, Key: p.ClientKey})
		}
	}
	return list
}

// invited lists whom else tor lets find an onion: who has an invitation that
// nobody has come with yet.
func invited(c *config.Config, o config.Onion, known []api.OnionClient) []api.OnionClient {
	var list []api.OnionClient
	for _, key := range clientKeys(c, o) {
		if !slices.ContainsFunc(known, func(c api.OnionClient) bool { return c.Key == string(key) }) {
			list = append(list, api.OnionClient{Name: "invitation", Invited: true, Key: string(key)})
		}
	}
	return list
}

// GrantClient lets somebody find a private onion.
func (f *Feature) GrantClient(ctx context.Context, r api.GrantRequest) error {
	edit, err := ParseGrant(r)
	if err != nil {
		return err
	}
	return f.editClients(ctx, edit)
}

// RevokeClient takes that back at once: what the client has open is cut, and its
// descriptor leads nowhere. The others connect again within seconds.
func (f *Feature) RevokeClient(ctx context.Context, r api.RevokeRequest) error {
	return f.editClients(ctx, config.ClientEdit{Onion: r.Onion, Remove: []string{r.Client}})
}

// ParseGrant checks the words of a request.
func ParseGrant(r api.GrantRequest) (config.ClientEdit, error) {
	edit := config.ClientEdit{Onion: r.Onion, Private: r.Private}
	c, err := config.ParseClient(r.Client)
	if err != nil {
		return edit, feature.Usage(err, "example: tunic grant photos alice")
	}
	edit.Add = []config.Client{c}
	return edit, nil
}

// editClients changes the file of an onion and applies it. If anything is wrong
// with the result, the file is as it was.
func (f *Feature) editClients(ctx context.Context, e config.ClientEdit) error {
	return f.host.Edit(ctx, feature.Edit{
		Files: []string{f.Paths.OnionFile(e.Onion)},
		Write: func() error { return WriteClients(f.Paths, e) },
		Load:  true,
		Fault: onionFault,
	})
}

// WriteClients changes the file of an onion, without reading the others.
func WriteClients(p config.Paths, e config.ClientEdit) error {
	if err := config.EditClients(p, e); err != nil {
		return feature.Usage(err, "nothing was changed; `tunic onions` lists the onions and their clients")
	}
	return nil
}
