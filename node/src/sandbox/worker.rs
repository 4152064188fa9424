//! The sandbox of a worker: no file, no network, no process, and only system calls that change nothing but itself.

/// Puts it on, as far as the kernel has it.
#[cfg(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
))]
pub(super) fn confine() {
    // Each layer by itself is worth having.
    let _ = linux::without_files();
    let _ = linux::without_calls();
}

/// This system has no such layers that are known here.
#[cfg(not(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
)))]
pub(super) fn confine() {}

#[cfg(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
))]
mod linux {
    use std::{collections::BTreeMap, env::consts::ARCH};

    use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetError, Scope};
    use seccompiler::{
        BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp,
        SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter,
    };

    /// `EPERM`.
    const NOT_PERMITTED: u32 = 1;

    /// The newest rights that are taken; an older kernel takes those that it knows.
    const RIGHTS: ABI = ABI::V6;

    /// The calls that are left: open files are read and written, memory is taken and given back.
    const ALLOWED: &[libc::c_long] = &[
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_pread64,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_lseek,
        libc::SYS_fstat,
        libc::SYS_close,
        libc::SYS_brk,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];

    /// Takes all files, all TCP, and signals to others.
    pub(super) fn without_files() -> Result<(), RulesetError> {
        Ruleset::default()
            .handle_access(AccessFs::from_all(RIGHTS))?
            .handle_access(AccessNet::from_all(RIGHTS))?
            .scope(Scope::from_all(RIGHTS))?
            .create()?
            .restrict_self()?;
        Ok(())
    }

    /// Makes every other call fail.
    pub(super) fn without_calls() -> Result<(), Error> {
        apply_filter(&program()?)
    }

    fn program() -> Result<BpfProgram, BackendError> {
        let allowed = ALLOWED.iter().map(|call| (*call, Vec::new()));
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = allowed.collect();
        // It ends itself by a signal, and nobody else.
        let own = SeccompCondition::new(
            0,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Eq,
            u64::from(std::process::id()),
        )?;
        rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![own])?]);
        let refused = SeccompAction::Errno(NOT_PERMITTED);
        let arch = TargetArch::try_from(ARCH)?;
        SeccompFilter::new(rules, refused, SeccompAction::Allow, arch)?.try_into()
    }

    #[cfg(test)]
    #[allow(
        clippy::disallowed_methods,
        reason = "the test tries what an intruder tries"
    )]
    mod tests {
        use std::{fs::File, net::TcpStream, process::Command, thread};

        use super::*;

        #[test]
        fn worker_opens_connects_and_starts_nothing() {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            // The layers are for the thread that puts them on.
            let confined = thread::spawn(move || {
                without_files().unwrap();
                without_calls().unwrap();
                let opened = File::open("/proc/self/exe").is_ok();
                let connected = TcpStream::connect(address).is_ok();
                let started = Command::new("/bin/true").status().is_ok();
                let threads = thread::Builder::new().spawn(|| ()).is_ok();
                (opened, connected, started, threads)
            });
            assert_eq!(confined.join().unwrap(), (false, false, false, false));
        }
    }
}
