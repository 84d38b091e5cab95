//! Who our processes are at RabbitMQ and PostgreSQL: users with the rights that docs/SECURITY.md gives them, no others.

use anyhow::Result;

use super::plan::Whom;
use crate::Stack;
use crate::database::{self, Database};
use crate::vhost::{BrokerLogin, Vhost};

/// What a door may configure, write and read.
const INTAKE: [&str; 3] = ["^$", r"^epro\.work$", "^$"];
/// The same of a worker.
const WORKER: [&str; 3] = [
    "^$",
    r"^epro\.(work|wait\..*)$",
    r"^epro\.(submissions\..*|alerts|commands|risk|exports|his\..*|query\..*|dead)$",
];

/// Those of doors and of workers; gone with this value.
pub(super) struct Logins {
    doors: Login,
    workers: Login,
}

/// One user at each service.
pub(super) struct Login {
    pub(super) broker: BrokerLogin,
    pub(super) postgres: database::Login,
}

impl Logins {
    /// Makes them for a stack that is migrated.
    pub(super) async fn on(stack: &Stack) -> Result<Self> {
        let (broker, postgres) = (stack.vhost(), stack.database());
        Ok(Self {
            doors: Login::of(broker, INTAKE, postgres, "epro_intake").await?,
            workers: Login::of(broker, WORKER, postgres, "epro_worker").await?,
        })
    }

    pub(super) fn of(&self, whom: Whom) -> &Login {
        if matches!(whom, Whom::Door(_)) { &self.doors } else { &self.workers }
    }
}

impl Login {
    async fn of(broker: &Vhost, rights: [&str; 3], postgres: &Database, role: &str) -> Result<Self> {
        Ok(Self { broker: broker.login(rights).await?, postgres: postgres.login(role).await? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_and_workers_have_the_rights_that_the_documentation_gives_them() {
        let said = include_str!("../../../docs/SECURITY.md");
        for (user, [configure, write, read]) in [("epro-intake", INTAKE), ("epro-worker", WORKER)] {
            let line = format!("- `{user}`: configure `{configure}`, write `{write}`, read `{read}`\n");
            assert!(said.contains(&line), "{line}");
        }
    }
}
