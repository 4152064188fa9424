package Cases;
# What the drivers in Perl share: the cases, and the calls that every client makes.
use strict;
use warnings;
use Exporter 'import';
our @EXPORT_OK = qw(client files);

sub cases {
    open my $file, '<', $ENV{CASES} or die $!;
    return map { chomp; my ($name, $content, $kind) = split /\t/, $_, -1; [pack('H*', $name), pack('H*', $content), $kind eq 'text'] } <$file>;
}

sub files {
    return { map { $_->[0] => { bytes => $_->[1], text => $_->[2] } } cases() };
}

sub tell_of {
    my ($what, $name, $good, $detail) = @_;
    $detail //= '';
    $detail =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;
    printf "%s\t%s\t%s\t%s\n", $what, $name, $good ? 'ok' : 'bad', substr $detail, 0, 200;
}

sub fault_is {
    my ($code) = @_;
    return sub { ref $_[0] eq 'HASH' && ($_[0]{fault} // '') eq $code };
}

# Makes every call and reads every content with `$ask->(method, params)`; a fault is { fault => code }.
sub client {
    my ($ask) = @_;
    my $is_struct = sub { ref $_[0] eq 'HASH' && !exists $_[0]{fault} };
    my @calls = (
        [sub { !ref $_[0] && $_[0] == 0 }, 'hello', $ENV{PEER}],
        [fault_is(100), 'query', 'no such file.txt', []],
        [fault_is(200), 'fetch', 'x.txt', 'wrong'],
        [sub { exists $_[0]{hits} }, 'sixhop.find', { query => 'name:*', limit => 5 }],
        [sub { ref $_[0] eq 'HASH' }, 'sixhop.more', { id => '0' x 32 }],
        [$is_struct, 'sixhop.summary', {}],
        [fault_is(-32602), 'sixhop.introduce', { url => 'x' }],
        [sub { ref $_[0] eq 'ARRAY' && grep { $_ eq 'query' } @{ $_[0] } }, 'system.listMethods'],
        [sub { length $_[0] }, 'system.methodHelp', 'query'],
        [sub { ref $_[0] eq 'ARRAY' }, 'system.methodSignature', 'query'],
        [$is_struct, 'system.getCapabilities'],
        [sub { ref $_[0] eq 'ARRAY' && @{ $_[0] } == 2 && $_[0][1]{faultCode} == -32601 }, 'system.multicall',
            [{ methodName => 'system.methodHelp', params => ['hello'] }, { methodName => 'no.such', params => [] }]],
        [fault_is(-32601), 'no.such.method'],
    );
    for my $call (@calls) {
        my ($check, $method, @params) = @$call;
        my $answer = eval { $ask->($method, @params) };
        my $failed = $@;
        my $good = !$failed && eval { $check->($answer) };
        my $name = $method eq 'no.such.method' ? 'unknown' : $method;
        tell_of('call', $name, $good, $failed || (ref $answer eq 'HASH' ? join ' ', %$answer : $answer));
    }
    my $at = 0;
    for my $case (cases()) {
        my ($name, $content) = @$case;
        my $answer = eval { $ask->('query', $name) };
        my $failed = $@;
        utf8::encode($answer) if defined $answer && utf8::is_utf8($answer);
        tell_of('content', $at++, defined $answer && !ref $answer && $answer eq $content, "$name: " . ($failed || $answer // 'none'));
    }
}

1;
