// Apache XML-RPC for Java, as a client and as a peer.
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.apache.xmlrpc.XmlRpcException;
import org.apache.xmlrpc.client.XmlRpcClient;
import org.apache.xmlrpc.client.XmlRpcClientConfigImpl;
import org.apache.xmlrpc.client.XmlRpcHttpTransport;
import org.apache.xmlrpc.server.XmlRpcHandlerMapping;
import org.apache.xmlrpc.webserver.WebServer;

public class Apache {
    static final XmlRpcClient node = new XmlRpcClient();

    static class Content {
        final String name;
        final byte[] bytes;
        final boolean isText;

        Content(String line) {
            String[] parts = line.split("\t", -1);
            name = new String(unhex(parts[0]), StandardCharsets.UTF_8);
            bytes = unhex(parts[1]);
            isText = parts[2].equals("text");
        }
    }

    static List<Content> contents() throws Exception {
        List<Content> contents = new ArrayList<>();
        for (String line : Files.readAllLines(Paths.get(System.getenv("CASES")), StandardCharsets.US_ASCII)) contents.add(new Content(line));
        return contents;
    }

    static byte[] unhex(String text) {
        byte[] bytes = new byte[text.length() / 2];
        for (int at = 0; at < bytes.length; at += 1) bytes[at] = (byte) Integer.parseInt(text.substring(2 * at, 2 * at + 2), 16);
        return bytes;
    }

    static Object ask(String method, Object... params) throws Exception {
        try {
            return node.execute(method, params);
        } catch (XmlRpcException fault) {
            if (fault.linkedException != null) throw fault;
            return fault.code;
        }
    }

    static void tell(String what, String name, boolean good, Object detail) {
        String text = String.valueOf(detail).replaceAll("[^ -~]", "?");
        System.out.println(what + "\t" + name + "\t" + (good ? "ok" : "bad") + "\t" + text.substring(0, Math.min(200, text.length())));
    }

    static void call(Predicate<Object> check, String method, Object... params) {
        String name = method.equals("no.such.method") ? "unknown" : method;
        try {
            Object answer = ask(method, params);
            tell("call", name, check.test(answer), answer);
        } catch (Exception error) {
            tell("call", name, false, error);
        }
    }

    static Map<String, Object> struct(Object... parts) {
        Map<String, Object> map = new HashMap<>();
        for (int at = 0; at < parts.length; at += 2) map.put((String) parts[at], parts[at + 1]);
        return map;
    }

    static void client(String url) throws Exception {
        XmlRpcClientConfigImpl config = new XmlRpcClientConfigImpl();
        config.setServerURL(new URL(url));
        config.setEnabledForExtensions(true);
        node.setConfig(config);
        Predicate<Object> isStruct = a -> a instanceof Map;
        Predicate<Object> isArray = a -> a instanceof Object[] && ((Object[]) a).length > 0;
        call(a -> a.equals(0), "hello", System.getenv("PEER"));
        call(a -> a.equals(100), "query", "no such file.txt", new Object[0]);
        call(a -> a.equals(200), "fetch", "x.txt", "wrong");
        call(isStruct, "sixhop.find", struct("query", "name:*", "limit", 5));
        call(a -> a.equals(-32602) || a instanceof Map, "sixhop.more", struct("id", "0"));
        call(isStruct, "sixhop.summary", struct());
        call(a -> a.equals(-32602), "sixhop.introduce", struct("url", "x"));
        call(isArray, "system.listMethods");
        call(a -> a instanceof String, "system.methodHelp", "query");
        call(isArray, "system.methodSignature", "query");
        call(isStruct, "system.getCapabilities");
        Object[] calls = {struct("methodName", "system.methodHelp", "params", new Object[] {"hello"}), struct("methodName", "no.such", "params", new Object[0])};
        call(a -> a instanceof Object[] && ((Object[]) a).length == 2, "system.multicall", (Object) calls);
        call(a -> a.equals(-32601), "no.such.method");
        int at = 0;
        for (Content content : contents()) {
            try {
                Object answer = ask("query", content.name);
                byte[] got = answer instanceof byte[] ? (byte[]) answer : String.valueOf(answer).getBytes(StandardCharsets.UTF_8);
                tell("content", String.valueOf(at), Arrays.equals(got, content.bytes), content.name + " " + answer);
            } catch (Exception error) {
                tell("content", String.valueOf(at), false, content.name + " " + error);
            }
            at += 1;
        }
    }

    static void serve() throws Exception {
        Map<String, Content> files = new HashMap<>();
        for (Content content : contents()) files.put(content.name, content);
        XmlRpcHandlerMapping methods = method -> request -> {
            if (method.equals("hello")) return 0;
            Content content = method.equals("query") ? files.get(request.getParameter(0)) : null;
            if (content == null) throw new XmlRpcException(100, "not found");
            return content.isText ? new String(content.bytes, StandardCharsets.UTF_8) : content.bytes;
        };
        // It does not tell which port it took, so that the socket is made for it.
        ServerSocket socket = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        WebServer server = new WebServer(socket.getLocalPort(), socket.getInetAddress()) {
            @Override
            protected ServerSocket createServerSocket(int port, int backlog, InetAddress address) {
                return socket;
            }
        };
        server.getXmlRpcServer().setHandlerMapping(methods);
        server.start();
        System.out.println("http://127.0.0.1:" + socket.getLocalPort() + "/");
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("version")) System.out.println(XmlRpcHttpTransport.USER_AGENT.replaceAll(".* ", ""));
        else if (args[0].equals("client")) client(args[1]);
        else serve();
    }
}
