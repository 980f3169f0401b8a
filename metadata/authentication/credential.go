package authentication

import (
	"errors"
	"fmt"

	"github.com/xdg-go/scram"

	"github.com/inkwell-project/inkwell/topics"
)

// DefaultIterations is Kafka's for SCRAM credentials. An unknown cluster is asked with it: clusters whose credential has another number can be told apart.
const DefaultIterations = 4096

// SaltBytes is how many random bytes a new credential's salt has.
const SaltBytes = 24

// NewCredential makes what a metadata node keeps of a cluster's password. salt has SaltBytes random bytes.
func NewCredential(cluster, password string, salt []byte) (topics.ScramCredential, error) {
	var errs []error
	if password == "" {
		errs = append(errs, errors.New("the password of a cluster's brokers must not be empty"))
	}
	if len(salt) < SaltBytes {
		errs = append(errs, fmt.Errorf("a salt of %d bytes, it must have %d", len(salt), SaltBytes))
	}
	if err := errors.Join(errs...); err != nil {
		return topics.ScramCredential{}, err
	}
	client, err := scram.SHA512.NewClient(cluster, password, "")
	if err != nil {
		return topics.ScramCredential{}, fmt.Errorf("the password of cluster %s's brokers: %w", cluster, err)
	}
	stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: DefaultIterations})
	if err != nil {
		return topics.ScramCredential{}, fmt.Errorf("the password of cluster %s's brokers: %w", cluster, err)
	}
	return topics.ScramCredential{Salt: salt, Iterations: DefaultIterations, StoredKey: stored.StoredKey, ServerKey: stored.ServerKey}, nil
}
