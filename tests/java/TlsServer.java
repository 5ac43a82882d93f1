import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.util.HashMap;
import java.util.Map;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSession;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * A server on the TLS of the JDK: it shakes hands, says who came, and hangs up.
 *
 * <p>Arguments are {@code name=value}: {@code key} and {@code trust} (store files), {@code password} (of both),
 * {@code clients} ({@code need} or {@code want}, when certificates are asked for), {@code protocol} (the only one
 * that is taken). It prints {@code port} and the number, then for each connection {@code accepted} with the
 * client's subject, or {@code refused} with the reason. It lives until it is killed.
 */
public final class TlsServer {
    private static final int TIMEOUT_MS = 60_000;

    public static void main(String[] arguments) throws GeneralSecurityException, IOException {
        Map<String, String> options = new HashMap<>();
        for (String argument : arguments) {
            int equals = argument.indexOf('=');
            options.put(argument.substring(0, equals), argument.substring(equals + 1));
        }
        InetAddress local = InetAddress.getByName("127.0.0.1");
        try (SSLServerSocket server =
                (SSLServerSocket)
                        context(options).getServerSocketFactory().createServerSocket(0, 50, local)) {
            String clients = options.getOrDefault("clients", "none");
            server.setNeedClientAuth(clients.equals("need"));
            if (clients.equals("want")) {
                server.setWantClientAuth(true);
            }
            if (options.containsKey("protocol")) {
                server.setEnabledProtocols(new String[] {options.get("protocol")});
            }
            System.out.println("port " + server.getLocalPort());
            while (true) {
                accept(server);
            }
        }
    }

    private static void accept(SSLServerSocket server) throws IOException {
        try (SSLSocket socket = (SSLSocket) server.accept()) {
            socket.setSoTimeout(TIMEOUT_MS);
            socket.startHandshake();
            System.out.println("accepted " + client(socket.getSession()));
        } catch (IOException refusal) {
            System.out.println("refused " + refusal);
        }
    }

    private static String client(SSLSession session) {
        try {
            X509Certificate certificate = (X509Certificate) session.getPeerCertificates()[0];
            return certificate.getSubjectX500Principal().toString();
        } catch (SSLPeerUnverifiedException nobody) {
            return "nobody";
        }
    }

    private static SSLContext context(Map<String, String> options)
            throws GeneralSecurityException, IOException {
        char[] password = options.get("password").toCharArray();
        KeyManagerFactory keys =
                KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store(options.get("key"), password), password);
        TrustManagerFactory trust =
                TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store(options.get("trust"), password));
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    /** The JDK finds out by itself whether it is PKCS#12 or JKS. */
    private static KeyStore store(String file, char[] password)
            throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        try (InputStream in = new FileInputStream(file)) {
            store.load(in, password);
        }
        return store;
    }
}
