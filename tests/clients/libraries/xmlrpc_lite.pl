# XMLRPC::Lite of Perl, as a client.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use XMLRPC::Lite;
use Cases qw(client);
use Encode qw(decode);

my $node = XMLRPC::Lite->proxy($ARGV[1]);
client(sub {
    my ($method, @params) = @_;
    my $answer = $node->call($method, map { typed($_) } @params);
    return { fault => $answer->fault->{faultCode} } if $answer->fault;
    return $answer->result;
});

sub typed {
    my ($value) = @_;
    return [map { typed($_) } @$value] if ref $value eq 'ARRAY';
    return { map { $_ => typed($value->{$_}) } keys %$value } if ref $value eq 'HASH';
    return $value =~ /^-?\d{1,9}$/ ? SOAP::Data->type(int => $value) : SOAP::Data->type(string => decode('UTF-8', $value));
}
