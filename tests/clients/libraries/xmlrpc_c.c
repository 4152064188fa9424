/* xmlrpc-c, as a client: the calls with their checks, and then every content; and as a peer, with its server Abyss. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <xmlrpc-c/base.h>
#include <xmlrpc-c/client.h>
#include <xmlrpc-c/server.h>
#include <xmlrpc-c/server_abyss.h>

static xmlrpc_env env;

static void tell(const char *what, const char *name, int good, const char *detail) {
    printf("%s\t%s\t%s\t%.200s\n", what, name, good ? "ok" : "bad", detail);
    fflush(stdout);
}

static xmlrpc_value *build(const char *format, const char *one, const char *two) {
    return xmlrpc_build_value(&env, format, one, two);
}

/* Makes a call and checks the type of its answer, or the code of its fault. */
static void call(const char *url, const char *method, xmlrpc_value *params, int type, int fault) {
    xmlrpc_env own;
    xmlrpc_env_init(&own);
    xmlrpc_value *answer = xmlrpc_client_call_params(&own, url, method, params);
    const char *name = strcmp(method, "no.such.method") == 0 ? "unknown" : method;
    if (own.fault_occurred)
        tell("call", name, fault != 0 && own.fault_code == fault, own.fault_string);
    else
        tell("call", name, fault == 0 && (int)xmlrpc_value_type(answer) == type, "an answer");
    if (!own.fault_occurred) xmlrpc_DECREF(answer);
    xmlrpc_env_clean(&own);
}

static size_t unhex(const char *text, size_t length, char *bytes) {
    for (size_t at = 0; at < length / 2; at += 1) {
        unsigned value;
        sscanf(text + 2 * at, "%2x", &value);
        bytes[at] = (char)value;
    }
    bytes[length / 2] = 0;
    return length / 2;
}

static void content(const char *url, int at, char *name, const char *bytes, size_t length) {
    xmlrpc_env own;
    xmlrpc_env_init(&own);
    char number[16];
    snprintf(number, sizeof number, "%d", at);
    xmlrpc_value *params = xmlrpc_build_value(&own, "(s)", name);
    if (own.fault_occurred) {
        tell("content", number, 0, own.fault_string);
        xmlrpc_env_clean(&own);
        return;
    }
    xmlrpc_value *answer = xmlrpc_client_call_params(&own, url, "query", params);
    if (own.fault_occurred) {
        tell("content", number, 0, own.fault_string);
    } else {
        size_t got = 0;
        const unsigned char *raw = NULL;
        const char *text = NULL;
        if (xmlrpc_value_type(answer) == XMLRPC_TYPE_BASE64) xmlrpc_read_base64(&own, answer, &got, &raw);
        else xmlrpc_read_string_lp(&own, answer, &got, &text);
        const void *data = raw != NULL ? (const void *)raw : (const void *)text;
        int good = !own.fault_occurred && got == length && memcmp(data, bytes, got) == 0;
        tell("content", number, good, own.fault_occurred ? own.fault_string : name);
    }
    xmlrpc_env_clean(&own);
}

/* Calls `found` for each case, with its number, name, content and kind. */
static void each_case(void (*found)(int at, char *name, char *bytes, size_t length, const char *kind, void *context), void *context) {
    FILE *cases = fopen(getenv("CASES"), "r");
    char *line = NULL;
    size_t room = 0;
    for (int at = 0; getline(&line, &room, cases) > 0; at += 1) {
        char *second = strchr(line, '\t');
        char *third = strchr(second + 1, '\t');
        char *name = malloc(room), *bytes = malloc(room);
        unhex(line, (size_t)(second - line), name);
        size_t length = unhex(second + 1, (size_t)(third - second - 1), bytes);
        third[strcspn(third, "\n")] = 0;
        found(at, name, bytes, length, third + 1, context);
        free(name);
        free(bytes);
    }
    free(line);
    fclose(cases);
}

static void read_case(int at, char *name, char *bytes, size_t length, const char *kind, void *url) {
    (void)kind;
    content(url, at, name, bytes, length);
}

/* What a query looks for, and what it found. */
struct wanted {
    xmlrpc_env *env;
    const char *name;
    xmlrpc_value *found;
};

static void compare(int at, char *name, char *bytes, size_t length, const char *kind, void *context) {
    (void)at;
    struct wanted *wanted = context;
    if (wanted->found != NULL || strcmp(name, wanted->name) != 0) return;
    if (strcmp(kind, "text") == 0) wanted->found = xmlrpc_string_new_lp(wanted->env, length, bytes);
    else wanted->found = xmlrpc_base64_new(wanted->env, length, (unsigned char *)bytes);
}

static xmlrpc_value *serve_hello(xmlrpc_env *own, xmlrpc_value *params, void *server, void *call) {
    (void)params, (void)server, (void)call;
    return xmlrpc_int_new(own, 0);
}

static xmlrpc_value *serve_query(xmlrpc_env *own, xmlrpc_value *params, void *server, void *call) {
    (void)server, (void)call;
    const char *name = NULL;
    xmlrpc_decompose_value(own, params, "(s*)", &name);
    if (own->fault_occurred) return NULL;
    struct wanted wanted = {own, name, NULL};
    each_case(compare, &wanted);
    if (wanted.found == NULL && !own->fault_occurred) xmlrpc_env_set_fault(own, 100, "not found");
    free((void *)name);
    return wanted.found;
}

static int serve(void) {
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t room = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, room) != 0 || getsockname(listener, (struct sockaddr *)&address, &room) != 0) return 1;
    /* It listens by itself; until then a caller is refused, and calls again. */
    printf("http://127.0.0.1:%d/RPC2\n", ntohs(address.sin_port));
    fflush(stdout);
    struct xmlrpc_method_info3 hello = {.methodName = "hello", .methodFunction = serve_hello};
    struct xmlrpc_method_info3 query = {.methodName = "query", .methodFunction = serve_query};
    xmlrpc_registry *registry = xmlrpc_registry_new(&env);
    xmlrpc_registry_add_method3(&env, registry, &hello);
    xmlrpc_registry_add_method3(&env, registry, &query);
    xmlrpc_server_abyss_parms server = {.config_file_name = NULL, .registryP = registry, .socket_bound = 1, .socket_handle = listener};
    xmlrpc_server_abyss(&env, &server, XMLRPC_APSIZE(socket_handle));
    return env.fault_occurred;
}

int main(int argc, char **argv) {
    xmlrpc_env_init(&env);
    xmlrpc_limit_set(XMLRPC_XML_SIZE_LIMIT_ID, 64 << 20);
    if (argc > 1 && strcmp(argv[1], "server") == 0) return serve();
    if (argc < 3) return 2;
    const char *url = argv[2];
    xmlrpc_client_init2(&env, XMLRPC_CLIENT_NO_FLAGS, "sixhop-test", "1", NULL, 0);
    call(url, "hello", build("(s)", getenv("PEER"), NULL), XMLRPC_TYPE_INT, 0);
    call(url, "query", build("(s())", "no such file.txt", NULL), 0, 100);
    call(url, "fetch", build("(ss)", "x.txt", "wrong"), 0, 200);
    call(url, "sixhop.find", build("({s:s})", "query", "name:plain.txt"), XMLRPC_TYPE_STRUCT, 0);
    call(url, "sixhop.more", build("({s:s})", "id", "0"), 0, -32602);
    call(url, "sixhop.summary", build("({})", NULL, NULL), XMLRPC_TYPE_STRUCT, 0);
    call(url, "sixhop.introduce", build("({s:s})", "url", "x"), 0, -32602);
    call(url, "system.listMethods", build("()", NULL, NULL), XMLRPC_TYPE_ARRAY, 0);
    call(url, "system.methodHelp", build("(s)", "query", NULL), XMLRPC_TYPE_STRING, 0);
    call(url, "system.methodSignature", build("(s)", "query", NULL), XMLRPC_TYPE_ARRAY, 0);
    call(url, "system.getCapabilities", build("()", NULL, NULL), XMLRPC_TYPE_STRUCT, 0);
    xmlrpc_value *multi = xmlrpc_build_value(&env, "(({s:s,s:(s)}{s:s,s:()}))", "methodName", "system.methodHelp", "params", "hello",
                                             "methodName", "no.such", "params");
    call(url, "system.multicall", multi, XMLRPC_TYPE_ARRAY, 0);
    call(url, "no.such.method", build("()", NULL, NULL), 0, -32601);
    each_case(read_case, argv[2]);
    return 0;
}
