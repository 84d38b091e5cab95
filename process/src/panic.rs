//! Panics, told without their message, which may hold a patient's value.

/// Replaces the panic hook by one that logs the place only.
pub fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}:{}", at.file(), at.line(), at.column()));
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        metrics::counter!("epro_panics_total").increment(1);
        tracing::error!(
            place = place.as_deref().unwrap_or("unknown"),
            thread,
            "a panic; its message is withheld"
        );
    }));
}
