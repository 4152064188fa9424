// aXMLRPC for Java, as a client.
import de.timroes.axmlrpc.XMLRPCClient;
import de.timroes.axmlrpc.XMLRPCServerException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

public class Axmlrpc {
    static XMLRPCClient node;

    static Object ask(String method, Object... params) throws Exception {
        try {
            return node.call(method, params);
        } catch (XMLRPCServerException fault) {
            return fault.getErrorNr();
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

    static byte[] unhex(String text) {
        byte[] bytes = new byte[text.length() / 2];
        for (int at = 0; at < bytes.length; at += 1) bytes[at] = (byte) Integer.parseInt(text.substring(2 * at, 2 * at + 2), 16);
        return bytes;
    }

    public static void main(String[] args) throws Exception {
        node = new XMLRPCClient(new URL(args[1]), XMLRPCClient.FLAGS_NIL);
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
        List<String> lines = Files.readAllLines(Paths.get(System.getenv("CASES")), StandardCharsets.US_ASCII);
        for (int at = 0; at < lines.size(); at += 1) {
            String[] parts = lines.get(at).split("\t", -1);
            String name = new String(unhex(parts[0]), StandardCharsets.UTF_8);
            byte[] content = unhex(parts[1]);
            try {
                Object answer = ask("query", name);
                byte[] got = answer instanceof byte[] ? (byte[]) answer : String.valueOf(answer).getBytes(StandardCharsets.UTF_8);
                tell("content", String.valueOf(at), Arrays.equals(got, content), name + " " + answer);
            } catch (Exception error) {
                tell("content", String.valueOf(at), false, name + " " + error);
            }
        }
    }
}
