import java.io.DataInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;

/**
 * A Sametime client as far as its first two messages, on the TLS of the JDK.
 *
 * <p>Arguments are {@code name=value}: {@code port}, {@code trust} and {@code key} (store files), {@code password}
 * (of both), {@code protocol} (the only one that is offered), {@code host} (the name that the certificate must
 * have), {@code hello} (the client's first message, in hexadecimal digits). It prints what the handshake agreed on, then {@code served} when the server answered, or
 * {@code refused} with the reason and ends with status 1.
 */
public final class TlsClient {
    private static final int TIMEOUT_MS = 60_000;
    /** The type of the server's answer to a handshake. */
    private static final int HANDSHAKE_ACK = 0x8000;

    public static void main(String[] arguments) throws GeneralSecurityException, IOException {
        Map<String, String> options = new HashMap<>();
        for (String argument : arguments) {
            int equals = argument.indexOf('=');
            options.put(argument.substring(0, equals), argument.substring(equals + 1));
        }
        SSLContext context = context(options);
        int port = Integer.parseInt(options.get("port"));
        try (SSLSocket socket =
                (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1", port)) {
            socket.setSoTimeout(TIMEOUT_MS);
            if (options.containsKey("protocol")) {
                socket.setEnabledProtocols(new String[] {options.get("protocol")});
            }
            if (options.containsKey("host")) {
                SSLParameters parameters = socket.getSSLParameters();
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
                parameters.setServerNames(
                        List.of(new SNIHostName(options.get("host"))));
                socket.setSSLParameters(parameters);
            }
            talk(socket, HexFormat.of().parseHex(options.get("hello")));
        } catch (IOException refusal) {
            System.out.println("refused " + refusal);
            System.exit(1);
        }
    }

    private static SSLContext context(Map<String, String> options)
            throws GeneralSecurityException, IOException {
        char[] password = options.get("password").toCharArray();
        KeyManager[] keys = null;
        if (options.containsKey("key")) {
            KeyManagerFactory factory =
                    KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            factory.init(store(options.get("key"), password), password);
            keys = factory.getKeyManagers();
        }
        TrustManagerFactory trust =
                TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store(options.get("trust"), password));
        TrustManager[] managers = trust.getTrustManagers();
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys, managers, null);
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

    private static void talk(SSLSocket socket, byte[] hello) throws IOException {
        socket.startHandshake();
        System.out.println("protocol " + socket.getSession().getProtocol());
        System.out.println("cipher " + socket.getSession().getCipherSuite());
        for (Certificate one : socket.getSession().getPeerCertificates()) {
            System.out.println("shown " + ((X509Certificate) one).getSubjectX500Principal());
        }
        OutputStream out = socket.getOutputStream();
        out.write(hello);
        out.flush();
        DataInputStream in = new DataInputStream(socket.getInputStream());
        in.readInt();
        int type = in.readUnsignedShort();
        if (type != HANDSHAKE_ACK) {
            throw new IOException("the server answered with message " + Integer.toHexString(type));
        }
        System.out.println("served");
    }
}
