package objectstorage

import "context"

type purposeKey struct{}

// WithPurpose says what the requests of ctx are for, in a word of a small set: a wrapper that keeps accounts asks for it.
func WithPurpose(ctx context.Context, purpose string) context.Context {
	return context.WithValue(ctx, purposeKey{}, purpose)
}

// Purpose is what WithPurpose said, or "".
func Purpose(ctx context.Context) string {
	purpose, _ := ctx.Value(purposeKey{}).(string)
	return purpose
}
