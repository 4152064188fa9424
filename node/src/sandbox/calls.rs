//! System calls that fail with `EPERM`: those that change the machine, look into other processes, or have a long history
//! of faults, and that no node and hardly any program of a handler needs.

use node_api::node::LayerState;

/// Makes the calls fail from now on, in this process and those that it starts.
#[cfg(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
))]
pub(super) fn confine() -> LayerState {
    match linux::confine() {
        Ok(()) => LayerState::Held,
        Err(error) => super::unavailable(&error),
    }
}

/// This system has no filter that is known here.
#[cfg(not(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
)))]
pub(super) fn confine() -> LayerState {
    super::unavailable(&"no filter of system calls is known for this system")
}

#[cfg(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
))]
mod linux {
    use std::env::consts::ARCH;

    use seccompiler::{
        BackendError, BpfProgram, Error, SeccompAction, SeccompFilter, TargetArch, apply_filter,
    };

    /// `EPERM`.
    const NOT_PERMITTED: u32 = 1;

    /// The calls that fail.
    const REFUSED: &[libc::c_long] = &[
        // Other processes.
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_kcmp,
        // What the kernel runs.
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_reboot,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        // Keys of others.
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_keyctl,
        // Name spaces and mounts.
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_fsopen,
        libc::SYS_fsconfig,
        libc::SYS_fsmount,
        libc::SYS_fspick,
        libc::SYS_mount_setattr,
        // Files without a path.
        libc::SYS_open_by_handle_at,
        // The machine.
        libc::SYS_acct,
        libc::SYS_quotactl,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_clock_adjtime,
        libc::SYS_adjtimex,
        libc::SYS_syslog,
        libc::SYS_vhangup,
    ];

    pub(super) fn confine() -> Result<(), Error> {
        apply_filter(&program()?)
    }

    fn program() -> Result<BpfProgram, BackendError> {
        let rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
        let refused = SeccompAction::Errno(NOT_PERMITTED);
        let arch = TargetArch::try_from(ARCH)?;
        SeccompFilter::new(rules, SeccompAction::Allow, refused, arch)?.try_into()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn refused_call_fails_and_files_and_threads_go_on() {
            let confined = std::thread::spawn(|| {
                confine().unwrap();
                let unshared = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER);
                assert_eq!(unshared, Err(nix::errno::Errno::EPERM));
                assert!(tempfile::tempfile().is_ok());
                let child = std::process::Command::new("true").status();
                assert!(child.is_ok_and(|status| status.success()));
                std::thread::spawn(|| 7).join().unwrap()
            });
            assert_eq!(confined.join().unwrap(), 7);
        }
    }
}
