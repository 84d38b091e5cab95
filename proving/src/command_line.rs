//! What may stand on a command line, which everybody on the machine can read.

use std::any::TypeId;
use std::path::PathBuf;

use clap::builder::Str;
use clap::{Arg, Command};

/// What secrets are called. An address is one of them: it may hold a password.
const WORDS: [&str; 9] =
    ["password", "passwd", "passphrase", "secret", "token", "credential", "key", "url", "dsn"];

/// The arguments of a command, and of all below it, that would take a secret itself, by their names. The path of a
/// file that holds one is none.
pub fn secrets(command: &Command) -> Vec<String> {
    let own = command.get_arguments().filter(|argument| is_secret(argument));
    let own = own.map(|argument| format!("{} {}", command.get_name(), argument.get_id()));
    own.chain(command.get_subcommands().flat_map(secrets)).collect()
}

fn is_secret(argument: &Arg) -> bool {
    let is_path = argument.get_value_parser().type_id() == TypeId::of::<PathBuf>();
    if is_path || !argument.get_action().takes_values() {
        return false;
    }
    let aliases = argument.get_all_aliases().unwrap_or_default();
    let values = argument.get_value_names().unwrap_or_default().iter().map(Str::as_str);
    let names = [argument.get_id().as_str()].into_iter().chain(argument.get_long());
    let mut names = names.chain(aliases).chain(values).map(str::to_lowercase);
    names.any(|name| WORDS.iter().any(|word| name.contains(word)))
}

#[cfg(test)]
mod tests {
    use clap::{ArgAction, value_parser};

    use super::*;

    #[test]
    fn an_argument_that_would_take_a_secret_is_found_and_a_file_or_a_switch_is_not() {
        let command = Command::new("made-up")
            .arg(Arg::new("password").long("password"))
            .arg(Arg::new("into").long("into").alias("db-url"))
            .arg(Arg::new("key_file").long("key-file").value_parser(value_parser!(PathBuf)))
            .arg(Arg::new("with_secrets").long("with-secrets").action(ArgAction::SetTrue))
            .arg(Arg::new("reason").long("reason"))
            .subcommand(Command::new("below").arg(Arg::new("what").value_name("TOKEN")));
        assert_eq!(secrets(&command), ["made-up password", "made-up into", "below what"]);
    }
}
