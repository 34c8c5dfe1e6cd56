package oke

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"

	"github.com/tidemill/tidemill/cloudprovider"
)

// fromFile is the identity of a profile. What the profile says of itself decides
// between a key, a session and an instance principal unless auth does.
func fromFile(ctx context.Context, o Options, auth Auth) (identity, error) {
	if o.Profile == "" {
		o.Profile = "DEFAULT"
	}
	if auth != SessionToken && keyInEnvironment(o.Env) {
		return withEnvironment(o)
	}
	var err error
	if o.ConfigFile, err = existing(o.ConfigFile); err != nil {
		return identity{}, err
	}
	says := profile(o.ConfigFile, o.Profile)
	switch {
	case auth == AuthUnknown && says["authentication_type"] == "instance_principal":
		return instancePrincipal(ctx, o)
	case auth == SessionToken, auth == AuthUnknown && says["security_token_file"] != "":
		return session(o, says["security_token_file"])
	}
	return apiKey(o)
}

// existing is the configuration file's path, and an error that helps if it is
// not there.
func existing(file string) (string, error) {
	if file == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the OCI configuration: %w", err)
		}
		file = filepath.Join(home, ".oci", "config")
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read OCI configuration: %w; name another file, make one with `oci setup config`, or authenticate as instance_principal or oke_workload_identity", err)
	}
	return file, nil
}

// apiKey is a user by the key in a profile.
func apiKey(o Options) (identity, error) {
	config, err := common.ConfigurationProviderFromFileWithProfile(o.ConfigFile, o.Profile, o.Env("OCI_CLI_PASSPHRASE"))
	if err != nil {
		return identity{}, fmt.Errorf("read OCI configuration %s: %w", o.ConfigFile, err)
	}
	if o.Region != "" {
		config = inRegion{config, o.Region}
	}
	for _, part := range []func() (string, error){config.TenancyOCID, config.UserOCID, config.KeyFingerprint, config.KeyID, config.Region} {
		if _, err := part(); err != nil {
			return identity{}, fmt.Errorf("read profile %s of OCI configuration %s: %w", o.Profile, o.ConfigFile, firstLine(err))
		}
	}
	if _, err := config.PrivateRSAKey(); err != nil {
		return identity{}, fmt.Errorf("read the API key of profile %s of OCI configuration %s: %w; key_file must be an RSA key in PEM form that this user may read",
			o.Profile, o.ConfigFile, firstLine(err))
	}
	return user(config), nil
}

func user(config common.ConfigurationProvider) identity {
	name, _ := config.UserOCID()
	fingerprint, _ := config.KeyFingerprint()
	who := fmt.Sprintf("user %s (fingerprint %s)", name, fingerprint)
	return identity{config: config, auth: APIKey, who: who, grantee: "group <a group of this user>",
		refused: "the API key of " + who + " was refused: it is another user's, was deleted in the console, or is younger than a minute; compare the fingerprint with the user's API keys"}
}

// session is a user by the token that `oci session authenticate` has left. An
// expired one is told here: the service only says 401.
func session(o Options, tokenFile string) (identity, error) {
	if tokenFile == "" {
		return identity{}, fmt.Errorf("read profile %s of OCI configuration %s: %w: it has no security_token_file; make one with `oci session authenticate`", o.Profile, o.ConfigFile, cloudprovider.ErrInvalid)
	}
	config, err := common.ConfigurationProviderForSessionTokenWithProfile(o.ConfigFile, o.Profile, o.Env("OCI_CLI_PASSPHRASE"))
	if err != nil {
		return identity{}, fmt.Errorf("read OCI configuration %s: %w", o.ConfigFile, err)
	}
	key, err := config.KeyID()
	if err != nil {
		return identity{}, fmt.Errorf("read the session token of profile %s: %w; `oci session authenticate` writes it", o.Profile, firstLine(err))
	}
	if end := expiry(strings.TrimPrefix(key, "ST$")); !end.IsZero() && time.Now().After(end) {
		return identity{}, fmt.Errorf("use the session token of profile %s: %w: it ended at %s; `oci session refresh --profile %s` or `oci session authenticate` gives another",
			o.Profile, cloudprovider.ErrUnauthorized, end.UTC().Format(time.RFC3339), o.Profile)
	}
	if _, err := config.PrivateRSAKey(); err != nil {
		return identity{}, fmt.Errorf("read the session key of profile %s of OCI configuration %s: %w", o.Profile, o.ConfigFile, firstLine(err))
	}
	return identity{config: config, auth: SessionToken, who: "the session of profile " + o.Profile, grantee: "group <a group of this user>",
		refused: "the session token of profile " + o.Profile + " was refused: renew it with `oci session refresh --profile " + o.Profile + "`"}, nil
}

// expiry is when a token ends, the zero time if it does not tell.
func expiry(token string) time.Time {
	parts := strings.Split(strings.TrimSpace(token), ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var claims struct {
		Exp float64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(raw, &claims) != nil || claims.Exp <= 0 || claims.Exp > 1e11 {
		return time.Time{}
	}
	return time.Unix(int64(claims.Exp), 0)
}

// profile reads the keys of a section, lower case; nothing if it cannot be read.
func profile(file, name string) map[string]string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	says, inside := map[string]string{}, false
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			inside = strings.Trim(line, "[] ") == name
			continue
		}
		if key, value, ok := strings.Cut(line, "="); ok && inside && !strings.HasPrefix(line, "#") {
			says[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
		}
	}
	return says
}

// keyVariables replace what the profile says, as they do for the OCI CLI.
var keyVariables = []string{"OCI_CLI_USER", "OCI_CLI_TENANCY", "OCI_CLI_FINGERPRINT", "OCI_CLI_KEY_FILE", "OCI_CLI_KEY_CONTENT"}

func keyInEnvironment(env func(string) string) bool {
	for _, name := range keyVariables {
		if env(name) != "" {
			return true
		}
	}
	return false
}

// withEnvironment is a user by variables, and by the profile for what they leave
// out. No file is needed when they leave out nothing.
func withEnvironment(o Options) (identity, error) {
	var file common.ConfigurationProvider
	if path, err := existing(o.ConfigFile); err == nil {
		if c, err := common.ConfigurationProviderFromFileWithProfile(path, o.Profile, o.Env("OCI_CLI_PASSPHRASE")); err == nil {
			file = c
		}
	}
	value := func(name string, of func(common.ConfigurationProvider) (string, error)) string {
		if v := o.Env(name); v != "" || file == nil {
			return v
		}
		v, _ := of(file)
		return v
	}
	tenancy := value("OCI_CLI_TENANCY", common.ConfigurationProvider.TenancyOCID)
	name := value("OCI_CLI_USER", common.ConfigurationProvider.UserOCID)
	fingerprint := value("OCI_CLI_FINGERPRINT", common.ConfigurationProvider.KeyFingerprint)
	region := value("OCI_CLI_REGION", common.ConfigurationProvider.Region)
	key, err := keyText(o, file)
	if err != nil {
		return identity{}, err
	}
	for what, v := range map[string]string{"OCI_CLI_TENANCY": tenancy, "OCI_CLI_USER": name, "OCI_CLI_FINGERPRINT": fingerprint} {
		if v == "" {
			return identity{}, fmt.Errorf("read the API key from the environment: %w: neither %s nor the profile %s says it", cloudprovider.ErrInvalid, what, o.Profile)
		}
	}
	passphrase := o.Env("OCI_CLI_PASSPHRASE")
	config := common.NewRawConfigurationProvider(tenancy, name, region, fingerprint, key, &passphrase)
	if _, err := config.PrivateRSAKey(); err != nil {
		return identity{}, fmt.Errorf("read the API key from the environment: %w; OCI_CLI_KEY_FILE or OCI_CLI_KEY_CONTENT must be an RSA key in PEM form", firstLine(err))
	}
	return user(config), nil
}

// keyText is the private key as PEM: from the environment, else the profile's.
func keyText(o Options, file common.ConfigurationProvider) (string, error) {
	if text := o.Env("OCI_CLI_KEY_CONTENT"); text != "" {
		return text, nil
	}
	if path := o.Env("OCI_CLI_KEY_FILE"); path != "" {
		raw, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read OCI_CLI_KEY_FILE: %w", err)
		}
		return string(raw), nil
	}
	if file == nil {
		return "", fmt.Errorf("read the API key from the environment: %w: set OCI_CLI_KEY_FILE or OCI_CLI_KEY_CONTENT", cloudprovider.ErrInvalid)
	}
	key, err := file.PrivateRSAKey()
	if err != nil {
		return "", fmt.Errorf("read the API key of profile %s: %w", o.Profile, firstLine(err))
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})), nil
}

// firstLine drops the SDK's pointer to its documentation.
func firstLine(err error) error {
	if line, _, more := strings.Cut(err.Error(), "\n"); more {
		return errors.New(line)
	}
	return err
}
