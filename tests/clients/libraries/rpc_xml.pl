# RPC::XML of Perl, as a client and as a peer.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use RPC::XML;
use RPC::XML::Client;
use RPC::XML::Server;
use Cases qw(client files);
use Encode qw(encode decode);

$RPC::XML::ENCODING = 'utf-8';

if ($ARGV[0] eq 'client') {
    my $node = RPC::XML::Client->new($ARGV[1]);
    client(sub {
        my ($method, @params) = @_;
        my $answer = $node->send_request($method, map { typed($_) } @params);
        die "no answer: $answer\n" unless ref $answer;
        return { fault => $answer->code } if $answer->is_fault;
        return $answer->value;
    });
} else {
    my $server = RPC::XML::Server->new(host => '127.0.0.1', port => 0, path => '/', no_default => 1);
    my $files = files();
    $server->add_method({ name => 'hello', signature => ['int string'], code => sub { RPC::XML::int->new(0) } });
    $server->add_method({ name => 'query', signature => ['string string', 'string string array'], code => sub {
        my ($self, $name) = @_;
        my $file = $files->{ utf8::is_utf8($name) ? encode('UTF-8', $name) : $name };
        return RPC::XML::fault->new(100, 'not found') unless $file;
        return $file->{text} ? RPC::XML::string->new(decode('UTF-8', $file->{bytes})) : RPC::XML::base64->new($file->{bytes});
    } });
    $| = 1;
    print $server->url =~ s{[^/]*$}{}r, "\n";
    $server->server_loop;
}

sub typed {
    my ($value) = @_;
    return RPC::XML::array->new(map { typed($_) } @$value) if ref $value eq 'ARRAY';
    return RPC::XML::struct->new({ map { $_ => typed($value->{$_}) } keys %$value }) if ref $value eq 'HASH';
    return $value =~ /^-?\d{1,9}$/ ? RPC::XML::int->new($value) : RPC::XML::string->new(decode('UTF-8', $value));
}
