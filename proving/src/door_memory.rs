//! What the memory of a door is made of. The pods' limits (`k8s/policy`), the benchmark and the test of hostile clients
//! go by the same figures, so that the bound of connections and the limit fit one another.

/// Most KiB that a connection may cost, whatever its client does before it is believed: a TLS handshake of 64 KiB that
/// never ends (as much as rustls keeps of one), or a head of 16 KiB, and what belongs to the connection itself.
pub const CONNECTION_KIB: u64 = 96;
/// Most KiB that one may cost that says nothing.
pub const SILENT_KIB: u64 = 16;
/// MiB for all the rest: what a door has under load (`./dev bench`: 21 MB), and beside it four batches of 8 MiB each,
/// or 64 downloads of half a MiB each.
pub const BESIDES_MIB: u64 = 64;

/// MiB that a door with so many connections may need.
pub fn most_mib(connections: u64) -> u64 {
    BESIDES_MIB + (connections * CONNECTION_KIB).div_ceil(1024)
}
