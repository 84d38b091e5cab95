//! Key material leaves no copy in memory that is free again.

use epro_process::config::{Config, Secret};
use epro_schemas::key::SecretKey;
use jsonwebtoken::DecodingKey;
use rustls::pki_types::PrivateKeyDer;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Whatever else isn't compiled.
const fn wiped<T: ZeroizeOnDrop>() {}

const _: () = {
    wiped::<SecretKey>();
    wiped::<DecodingKey>();
    // What the files of keys are read into.
    wiped::<Zeroizing<Vec<u8>>>();
    wiped::<Zeroizing<String>>();
    wiped::<Zeroizing<PrivateKeyDer<'static>>>();
};

fn is_wiped<T: ZeroizeOnDrop>(_: &T) {}

#[test]
fn what_holds_a_key_or_a_secret_is_of_a_type_that_wipes_it_when_it_goes() {
    let (config, _) = Config::read(None, []);
    is_wiped(&config.postgres.url);
    is_wiped(&config.broker.url);
    if let Some(url) = &config.broker.management_url {
        is_wiped(url);
    }
    let secret = Secret::Given("planted".into());
    is_wiped(&secret.read().unwrap());
    let Secret::Given(text) = &secret else { panic!("{secret:?}") };
    is_wiped(text);
    assert!(!format!("{secret:?}").contains("planted"));
}
