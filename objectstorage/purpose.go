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

type backgroundKey struct{}

// WithBackground says that nobody waits for the requests of ctx: a store that shares a disk with others does them in smaller steps, between which those of others go.
func WithBackground(ctx context.Context) context.Context {
	return context.WithValue(ctx, backgroundKey{}, true)
}

// IsBackground is what WithBackground said.
func IsBackground(ctx context.Context) bool { return ctx.Value(backgroundKey{}) != nil }

type repeatsKey struct{}

// WithPutRepeats has the layer that repeats requests (Retrying) call told before each PUT but the first of a call: whoever has a budget pays for those, too.
func WithPutRepeats(ctx context.Context, told func()) context.Context {
	return context.WithValue(ctx, repeatsKey{}, told)
}

func putRepeats(ctx context.Context) {
	if told, ok := ctx.Value(repeatsKey{}).(func()); ok {
		told()
	}
}
