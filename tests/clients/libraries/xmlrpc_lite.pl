# XMLRPC::Lite of Perl, as a client and as a peer.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use XMLRPC::Lite;
use XMLRPC::Transport::HTTP;
use Cases qw(client files);
use Encode qw(decode encode);

if ($ARGV[0] eq 'client') {
    my $node = XMLRPC::Lite->proxy($ARGV[1]);
    client(sub {
        my ($method, @params) = @_;
        my $answer = $node->call($method, map { typed($_) } @params);
        return { fault => $answer->fault->{faultCode} } if $answer->fault;
        return $answer->result;
    });
} else {
    my $server = XMLRPC::Transport::HTTP::Daemon->new(LocalAddr => '127.0.0.1', LocalPort => 0);
    $server->serializer->encoding('UTF-8');
    $server->dispatch_to('hello', 'query');
    $| = 1;
    print $server->url, "\n";
    $server->handle;
}

sub hello { return SOAP::Data->type(int => 0) }

sub query {
    my ($class, $name) = @_;
    my $file = files()->{ utf8::is_utf8($name) ? encode('UTF-8', $name) : $name };
    die SOAP::Fault->faultcode(100)->faultstring('not found') unless $file;
    return $file->{text} ? SOAP::Data->type(string => decode('UTF-8', $file->{bytes})) : SOAP::Data->type(base64 => $file->{bytes});
}

sub typed {
    my ($value) = @_;
    return [map { typed($_) } @$value] if ref $value eq 'ARRAY';
    return { map { $_ => typed($value->{$_}) } keys %$value } if ref $value eq 'HASH';
    return $value =~ /^-?\d{1,9}$/ ? SOAP::Data->type(int => $value) : SOAP::Data->type(string => decode('UTF-8', $value));
}
