package page

import (
	"context"
	"encoding/json"

	"tunic/gateway/api"
	"tunic/gateway/session"
)

func (f *Feature) settings(ctx context.Context) (api.Settings, error) {
	return f.Settings.Settings(ctx)
}

func (f *Feature) planSettings(ctx context.Context, r api.SettingsRequest) (api.SettingsPlan, error) {
	return f.Settings.Plan(ctx, r)
}

// applySettings notes whose settings they are: the parent knows, serve need not say.
func (f *Feature) applySettings(ctx context.Context, who session.Who, body json.RawMessage) (any, error) {
	r, err := read[api.SettingsRequest](body)
	if err != nil {
		return nil, err
	}
	return struct{}{}, f.Settings.Apply(ctx, who.Name, r)
}

func (f *Feature) confirmSettings(ctx context.Context, _ struct{}) error {
	return f.Settings.Confirm(ctx)
}

func (f *Feature) takeBackSettings(ctx context.Context, _ struct{}) error {
	return f.Settings.TakeBack(ctx)
}
